//! The hall in steps, and a market of many agents and jobs with a seed: who gets how much.

use medusa_types::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

fn consumer(n: u128) -> UserId {
    UserId(Uuid::from_u128(1_000_000 + n))
}

fn job_id(n: u128) -> JobId {
    JobId(Uuid::from_u128(n))
}

fn lease_id(n: u128) -> LeaseId {
    LeaseId(Uuid::from_u128(n))
}

fn offer(job: u128, of: u128, weight: u32) -> Offer {
    let program = Sha256Hash::of(&job.to_le_bytes());
    Offer {
        job: job_id(job),
        consumer: consumer(of),
        weight,
        program,
        program_bytes: 9,
        strict: false,
        stays: false,
        memory_bytes: 0,
    }
}

fn worker(agent: u128, lender: u128) -> Worker {
    let standing = Standing { allowance: 1_000, ..Standing::default() };
    Worker {
        agent: AgentId(Uuid::from_u128(agent)),
        lender: UserId(Uuid::from_u128(lender)),
        memory_bytes: 100,
        standing,
        exposed: Credits::ZERO,
        stays: true,
    }
}

fn hall(agents: u128, slots: u32) -> Hall {
    let mut hall = Hall::new(TrustRules::default());
    (1..=agents).for_each(|n| hall.enter(worker(n, n), slots, false, NOW));
    hall
}

/// Every question is answered with a lease, as often as `most`; who got how many.
fn hand_out(hall: &mut Hall, most: u128) -> BTreeMap<JobId, u128> {
    let mut given = BTreeMap::new();
    for n in 0..most {
        let Some(ask) = hall.next_ask(NOW) else { break };
        hall.answer(&ask, Answer::Lease(lease_id(n), Credits::ZERO), NOW);
        *given.entry(ask.job).or_default() += 1;
    }
    given
}

#[test]
fn a_job_of_millions_does_not_starve_a_job_of_ten() {
    let mut hall = hall(50, 1);
    hall.offer(offer(1, 1, 1));
    assert_eq!(hand_out(&mut hall, 90).len(), 1, "alone it gets everything");
    hall.offer(offer(2, 2, 1));
    assert_eq!(hand_out(&mut hall, 10)[&job_id(2)], 10, "what is free goes to who has least");
}

#[test]
fn consumers_share_alike_whatever_they_submit_and_weights_count() {
    let mut hall = hall(60, 5);
    // One consumer with nine jobs, one with one, one with one of three times the weight.
    (1..=9).for_each(|n| hall.offer(offer(n, 1, 1)));
    hall.offer(offer(10, 2, 1));
    hall.offer(offer(11, 3, 3));
    let given = hand_out(&mut hall, 500);
    let of_first: u128 = (1..=9).map(|n| given[&job_id(n)]).sum();
    assert_eq!((of_first, given[&job_id(10)], given[&job_id(11)]), (100, 100, 300));
    assert!((1..=9).all(|n| (10..=12).contains(&given[&job_id(n)])), "{given:?}");
}

#[test]
fn nobody_holds_more_than_slots_prefetch_and_record_allow() {
    let mut hall = hall(1, 3);
    hall.offer(offer(1, 1, 1));
    // Questions under way count.
    let asks: Vec<Ask> = std::iter::from_fn(|| hall.next_ask(NOW)).collect();
    assert_eq!(asks.len(), 6);
    for (n, ask) in (0..).zip(&asks) {
        hall.answer(ask, Answer::Lease(lease_id(n), Credits::ZERO), NOW);
    }
    assert_eq!(hall.next_ask(NOW), None);
    let agent = asks[0].worker.agent;
    assert!(hall.free(agent, lease_id(3), NOW) && !hall.free(agent, lease_id(3), NOW));
    let ask = hall.next_ask(NOW).unwrap();
    hall.answer(&ask, Answer::NotForThis, NOW);
    let standing = Standing { allowance: 2, failed_at: Some(NOW), ..Standing::default() };
    hall.judge(agent, standing, NOW);
    hall.offer(offer(1, 1, 1));
    assert_eq!(hall.next_ask(NOW), None);
}

#[test]
fn what_is_at_risk_is_told_with_the_question() {
    let mut hall = hall(1, 1);
    hall.offer(offer(1, 1, 1));
    let ask = hall.next_ask(NOW).unwrap();
    hall.answer(&ask, Answer::Lease(lease_id(1), Credits::from_micros(7)), NOW);
    assert_eq!(hall.next_ask(NOW).unwrap().worker.exposed.micros(), 7);
}

#[test]
fn a_refused_lender_is_asked_for_again_only_after_a_change_and_others_meanwhile() {
    let mut hall = Hall::new(TrustRules::default());
    hall.enter(worker(1, 1), 1, false, NOW);
    hall.enter(worker(2, 1), 1, false, NOW);
    hall.offer(offer(1, 1, 1));
    let ask = hall.next_ask(NOW).unwrap();
    hall.answer(&ask, Answer::NotForThis, NOW);
    assert_eq!(hall.next_ask(NOW), None, "the other agent is of the same lender");
    hall.enter(worker(3, 3), 1, false, NOW);
    assert_eq!(hall.next_ask(NOW).unwrap().worker.agent, worker(3, 3).agent);
    hall.offer(offer(1, 1, 1));
    assert_eq!(hall.next_ask(NOW).unwrap().worker.lender, worker(1, 1).lender);
}

#[test]
fn what_a_job_said_before_it_offered_again_does_not_close_it() {
    let mut hall = hall(1, 1);
    hall.offer(offer(1, 1, 1));
    let old = hall.next_ask(NOW).unwrap();
    hall.offer(offer(1, 1, 1));
    hall.answer(&old, Answer::Nothing, NOW);
    let ask = hall.next_ask(NOW).expect("it has offered since");
    hall.answer(&ask, Answer::Nothing, NOW);
    assert_eq!(hall.next_ask(NOW), None);
}

#[test]
fn small_paused_and_quarantined_agents_are_not_asked_for() {
    let mut hall = hall(2, 1);
    hall.offer(Offer { memory_bytes: 101, ..offer(1, 1, 1) });
    assert_eq!(hall.next_ask(NOW), None, "both are too small");
    hall.offer(offer(2, 1, 1));
    assert!(hall.pause(worker(1, 1).agent, true, NOW));
    assert!(!hall.pause(worker(1, 1).agent, true, NOW), "it was paused before");
    let struck = Standing { strikes: 9, struck_at: Some(NOW), ..Standing::default() };
    assert!(hall.judge(worker(2, 2).agent, struck, NOW));
    assert_eq!(hall.next_ask(NOW), None);
    assert!(hall.owners(NOW).is_empty());
    hall.pause(worker(1, 1).agent, false, NOW);
    assert!(hall.next_ask(NOW).is_some());
}

#[test]
fn an_agent_that_fails_rests_longer_each_time() {
    let mut hall = hall(1, 4);
    hall.offer(offer(1, 1, 1));
    let agent = worker(1, 1).agent;
    for seconds in [2, 4, 8] {
        hall.ended(agent, Ending::Fault, NOW);
        assert_eq!(hall.next_ask(NOW), None);
        hall.replace(NOW.plus_ms(seconds * 1_000 - 1));
        assert_eq!(hall.next_ask(NOW), None, "{seconds}");
        hall.replace(NOW.plus_ms(seconds * 1_000));
        let ask = hall.next_ask(NOW.plus_ms(seconds * 1_000)).expect("it has rested");
        hall.answer(&ask, Answer::NotForThis, NOW);
        hall.offer(offer(1, 1, 1));
    }
    hall.ended(agent, Ending::Well, NOW);
    assert!(hall.next_ask(NOW).is_some());
}

#[test]
fn an_agent_that_has_the_program_comes_first() {
    let mut hall = hall(9, 1);
    hall.offer(offer(5, 1, 1));
    let first = hall.next_ask(NOW).unwrap();
    hall.answer(&first, Answer::Lease(lease_id(1), Credits::ZERO), NOW);
    let again = hall.next_ask(NOW).unwrap();
    assert_eq!(again.worker.agent, first.worker.agent);
    hall.answer(&again, Answer::Lease(lease_id(2), Credits::ZERO), NOW);
    let other = hall.next_ask(NOW).unwrap();
    assert_ne!(other.worker.agent, first.worker.agent, "it is full");
}

#[test]
fn what_an_agent_held_is_forgotten_with_it() {
    let mut hall = hall(2, 1);
    hall.offer(offer(1, 1, 1));
    hand_out(&mut hall, 4);
    let agent = worker(1, 1).agent;
    assert!(hall.jobs_of(agent, &[lease_id(99)]).is_none(), "it runs what nobody knows of");
    assert_eq!(hall.jobs_of(agent, &[]).unwrap(), BTreeSet::from([job_id(1)]));
    assert_eq!(hall.leave(agent), Some(worker(1, 1).lender));
    assert_eq!((hall.leave(agent), hall.shares[&consumer(1)].load), (None, 2 * LOAD));
    let rest = hall.strip(worker(2, 2).agent, NOW);
    assert_eq!((rest.len(), hall.shares[&consumer(1)].load), (2, 0));
    hall.withdraw(job_id(1));
    assert_eq!((hall.next_ask(NOW), hall.shares.len()), (None, 0));
}

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn place(&mut self, of: usize) -> usize {
        usize::try_from(self.below(u64::try_from(of).unwrap())).unwrap()
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Anything in any order: its own books always agree with a plain count.
#[test]
fn in_any_order_of_events_loads_and_places_add_up() {
    for seed in 1..=20_u64 {
        println!("seed {seed}");
        let (mut dice, mut hall) = (Dice(seed), Hall::new(TrustRules::default()));
        let mut leases: Vec<(AgentId, LeaseId)> = Vec::new();
        let mut asks: Vec<Ask> = Vec::new();
        for step in 0..3_000_u128 {
            let n = u128::from(dice.below(12)) + 1;
            match dice.below(10) {
                0 => hall.enter(worker(n, n >> 1), 2, n == 3, NOW),
                1 => drop(hall.leave(worker(n, 0).agent)),
                2 => hall.offer(offer(n, n >> 2, 1 + u32::try_from(n >> 3).unwrap())),
                3 if dice.below(4) == 0 => hall.withdraw(job_id(n)),
                4 => match dice.below(4) {
                    0 => {
                        let programs = [offer(n, 1, 1).program, offer(n >> 1, 1, 1).program];
                        hall.cached(worker(n >> 1, 0).agent, &programs, NOW);
                    }
                    1 => {
                        let slots = u32::try_from(1 + dice.below(3)).unwrap();
                        hall.resize(worker(n, 0).agent, slots, 100, NOW);
                    }
                    _ => drop(hall.pause(worker(n, 0).agent, dice.below(2) == 0, NOW)),
                },
                5 | 6 => asks.extend(hall.next_ask(NOW)),
                7 | 8 if !asks.is_empty() => {
                    let at = dice.place(asks.len());
                    let ask = asks.swap_remove(at);
                    let answer = match dice.below(6) {
                        0 => Answer::Nothing,
                        1 => Answer::NotForThis,
                        _ => Answer::Lease(lease_id(step), Credits::ZERO),
                    };
                    hall.answer(&ask, answer, NOW);
                    leases.push((ask.worker.agent, lease_id(step)));
                }
                _ if !leases.is_empty() => {
                    let at = dice.place(leases.len());
                    let (agent, lease) = leases.swap_remove(at);
                    hall.free(agent, lease, NOW);
                }
                _ => {}
            }
            check(&hall);
        }
    }
}

fn check(hall: &Hall) {
    let mut loads: BTreeMap<UserId, u64> = BTreeMap::new();
    for entry in hall.entries.values() {
        for held in entry.leases.values() {
            let stall = &hall.stalls[&held.job];
            *loads.entry(stall.offer.consumer).or_default() += unit(&stall.offer);
        }
        let placed = hall.idle.agents.get(&entry.worker.lender);
        let placed = placed.is_some_and(|agents| agents.contains(&entry.worker.agent));
        assert_eq!(placed, entry.room(&hall.rules, NOW));
    }
    let programs: BTreeSet<_> = hall.stalls.values().map(|stall| stall.offer.program).collect();
    assert_eq!(hall.warm.keys().copied().collect::<BTreeSet<_>>(), programs);
    for (program, idle) in &hall.warm {
        let warm = hall.entries.iter().filter(|(_, s)| s.placed && s.warm.contains(program));
        let warm: BTreeSet<AgentId> = warm.map(|(agent, _)| *agent).collect();
        assert_eq!(idle.agents.values().flatten().copied().collect::<BTreeSet<_>>(), warm);
    }
    for (consumer, share) in &hall.shares {
        assert_eq!(share.load, loads.get(consumer).copied().unwrap_or_default());
        let ordered = hall.order.contains(&(share.load, share.served, *consumer));
        assert_eq!(ordered, !share.open.is_empty());
    }
    let open = hall.shares.values().map(|share| share.open.len()).sum::<usize>();
    assert_eq!(open, hall.stalls.values().filter(|stall| stall.open).count());
    assert!(hall.order.len() <= hall.shares.len());
}

#[test]
fn an_agent_that_says_it_has_the_program_comes_first() {
    let mut hall = hall(3, 1);
    hall.offer(offer(7, 1, 1));
    let third = worker(3, 3).agent;
    let other = offer(8, 1, 1).program;
    hall.cached(third, &[other, offer(7, 1, 1).program], NOW);
    for _ in 0..LEASES_OF_SLOT {
        assert_eq!(hall.next_ask(NOW).unwrap().worker.agent, third);
    }
    assert_ne!(hall.next_ask(NOW).unwrap().worker.agent, third, "it has no more room");
    // What it said before a job came counts too, and what it does not say any more does not.
    let mut hall = self::hall(3, 1);
    hall.cached(third, &[other], NOW);
    hall.offer(offer(8, 1, 1));
    assert_eq!(hall.agent_for(&hall.stalls[&job_id(8)]), Some(third));
    hall.cached(third, &[], NOW);
    assert_ne!(hall.agent_for(&hall.stalls[&job_id(8)]), Some(third));
}

#[test]
fn an_agent_hears_of_programs_of_open_jobs_that_it_lacks() {
    let mut hall = hall(1, 1);
    let agent = worker(1, 1).agent;
    for job in 1..=9 {
        hall.offer(offer(job, job, 1));
    }
    hall.offer(Offer { memory_bytes: 101, ..offer(20, 0, 1) });
    hall.offer(Offer { consumer: worker(1, 1).lender, ..offer(21, 0, 1) });
    hall.cached(agent, &[offer(3, 3, 1).program], NOW);
    let named = |hall: &Hall| -> Vec<Sha256Hash> {
        hall.ahead(agent).iter().map(|offer| offer.program).collect()
    };
    let of = |jobs: [u128; 4]| jobs.map(|job| offer(job, job, 1).program);
    assert_eq!(named(&hall), of([1, 2, 4, 5]), "not of jobs too large for it, or its owner's");
    hall.withdraw(job_id(2));
    assert_eq!(named(&hall), of([1, 4, 5, 6]));
    hall.pause(agent, true, NOW);
    assert!(named(&hall).is_empty());
}

#[test]
fn who_hands_a_lease_back_rests_and_is_no_failure() {
    let mut hall = hall(1, 1);
    hall.offer(offer(1, 1, 1));
    hand_out(&mut hall, 1);
    let agent = worker(1, 1).agent;
    assert!(hall.free(agent, lease_id(0), NOW));
    hall.ended(agent, Ending::Back, NOW);
    // It says that a lease went well which it does not hold any more, and then comes again.
    assert!(!hall.free(agent, lease_id(0), NOW));
    hall.ended(agent, Ending::Well, NOW);
    assert_eq!(hall.next_ask(NOW), None);
    hall.leave(agent);
    hall.enter(worker(1, 1), 1, false, NOW);
    let soon = NOW.plus_ms(5_000);
    hall.replace(soon.plus_ms(-1));
    assert_eq!(hall.next_ask(soon.plus_ms(-1)), None);
    hall.replace(soon);
    assert!(hall.next_ask(soon).is_some());
    // Whose rest is long over is forgotten.
    hall.leave(agent);
    assert_eq!(hall.away.len(), 1);
    hall.replace(soon.plus_ms(4_000_000));
    assert_eq!(hall.away.len(), 0);
}

#[test]
fn who_checks_whom_is_drawn_whatever_two_neighbours_say_that_they_have_compiled() {
    let (mut hall, lenders) = (hall(20, 1).seeded([7; 32]), 20);
    hall.offer(offer(1, 1, 1));
    for lender in [1, 2] {
        hall.cached(worker(lender, lender).agent, &[offer(1, 1, 1).program], NOW);
    }
    let mut second: BTreeMap<UserId, u32> = BTreeMap::new();
    for _ in 0..3_800 {
        let first = hall.next_ask(NOW).unwrap();
        assert!(!first.drawn && first.worker.lender <= worker(2, 2).lender, "it is warm");
        // Another question is on its way already: the job says that it has to be drawn.
        let early = hall.next_ask(NOW).unwrap();
        hall.answer(&first, Answer::Lease(lease_id(1), Credits::ZERO), NOW);
        hall.answer(&early, Answer::Begun, NOW);
        let drawn = loop {
            let ask = hall.next_ask(NOW).unwrap();
            assert!(ask.drawn);
            if ask.worker.lender != first.worker.lender {
                break ask;
            }
            hall.answer(&ask, Answer::NotForThis, NOW);
        };
        hall.answer(&drawn, Answer::Lease(lease_id(2), Credits::ZERO), NOW);
        hall.begun(job_id(1), false);
        assert!(hall.free(drawn.worker.agent, lease_id(2), NOW));
        assert!(hall.free(first.worker.agent, lease_id(1), NOW));
        hall.offer(offer(1, 1, 1));
        // What the others were given is not what they say that they have.
        for lender in 3..=lenders {
            hall.cached(worker(lender, 0).agent, &[], NOW);
        }
        if first.worker.lender == worker(1, 1).lender {
            *second.entry(drawn.worker.lender).or_default() += 1;
        }
    }
    let all: u32 = second.values().sum();
    let even = f64::from(all) / 19.0;
    let spread = 5.0 * even.sqrt();
    assert!(all > 1_000 && second.len() == 19, "{second:?}");
    assert!(second.values().all(|n| (f64::from(*n) - even).abs() < spread), "{second:?}");
}

#[test]
fn rivals_are_jobs_of_others_and_of_ones_own_with_chunks_to_give_or_under_way() {
    let mut hall = hall(1, 1);
    for (job, of, weight) in [(1, 1, 3), (2, 2, 1), (3, 2, 9), (4, 3, 3)] {
        hall.offer(offer(job, of, weight));
    }
    let rivals = |hall: &Hall, of| {
        let Rivals { consumers, weight, own } = hall.rivals(consumer(of));
        (consumers, weight, own)
    };
    assert_eq!(rivals(&hall, 1), (2, 9 + 3, 1));
    assert_eq!(rivals(&hall, 2), (2, 3 + 3, 2));
    // A job that is over counts as long as an agent works on it.
    let given = hand_out(&mut hall, 1);
    assert_eq!(given.keys().collect::<Vec<_>>(), [&job_id(1)]);
    hall.withdraw(job_id(1));
    hall.withdraw(job_id(4));
    assert_eq!(rivals(&hall, 2), (1, 3, 2));
    hall.free(AgentId(Uuid::from_u128(1)), lease_id(0), NOW);
    assert_eq!(rivals(&hall, 2), (0, 0, 2));
    assert_eq!(rivals(&hall, 1), (1, 9, 0));
}
