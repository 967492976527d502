//! Agents that are killed or stand still in the middle of rounds, and a server that dies: what
//! comes out has the same bits, and every round is paid once.

use std::cell::RefCell;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use medusa_api::{Session, SessionState};
use medusa_client::Rounds;
use medusa_types::AgentId;
use nix::sys::signal::Signal;

use crate::harness::{
    Dice, House, Person, RealAgent, SUM, cost, drive, expected, numbers, open_session, over,
    paid_right, projected, read, step,
};

/// Counts for some milliseconds, so that a round has a middle.
const SPIN: &str = "(local.set $i (i32.const 3000000)) (loop $spin
    (br_if $spin (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))";
/// Shards of each session, and numbers of each.
const SHARDS: u64 = 2;
const EACH: usize = 256;

/// Agents that are in the middle of it: those that the last windows paid.
async fn busy(house: &House, session: &Session, since: i64) -> Vec<AgentId> {
    sqlx::query_scalar::<_, String>(
        "select distinct share ->> 'agent' from audit.events,
             jsonb_array_elements(body -> 'data' -> 'shares') as share
         where kind = 'billing.rounds_settled' and pos > $2
             and body -> 'data' ->> 'session' = $1 and body -> 'data' ->> 'price' <> '0'",
    )
    .bind(session.id.to_string())
    .bind(since)
    .fetch_all(&house.db.pool)
    .await
    .unwrap()
    .into_iter()
    .map(|agent| agent.parse().unwrap())
    .collect()
}

async fn head(house: &House) -> i64 {
    sqlx::query_scalar("select position from log_head").fetch_one(&house.db.pool).await.unwrap()
}

/// A vector that every round changes: one lost bit would be in it to the end.
struct Course {
    rounds: Rounds,
    values: Vec<f64>,
    undisturbed: Vec<f64>,
}

impl Course {
    async fn begin(session: &Session) -> Self {
        let values: Vec<f64> = (0..EACH).map(|n| f64::from(u32::try_from(n).unwrap())).collect();
        Self { rounds: drive(session).await, undisturbed: values.clone(), values }
    }

    async fn submit(&mut self) {
        self.rounds.submit(&numbers(self.values.iter().copied()), SUM).await.unwrap();
    }

    async fn answer(&mut self) {
        self.values = read(&self.rounds.answer().await.unwrap().payloads[0]);
        self.undisturbed = expected(&self.undisturbed, SHARDS);
    }

    async fn rounds(&mut self, count: u32) {
        for _ in 0..count {
            self.submit().await;
            self.answer().await;
        }
    }

    fn check(&self) {
        assert!(numbers(self.values.iter().copied()) == numbers(self.undisturbed.iter().copied()));
    }
}

/// Machines that all sessions of a house share.
type Machines = RefCell<Vec<RealAgent>>;

/// Does this to one of them.
fn to(machines: &Machines, id: AgentId, what: impl FnOnce(&mut RealAgent)) {
    let mut machines = machines.borrow_mut();
    what(machines.iter_mut().find(|machine| machine.id == id).expect("it is one of ours"));
}

/// Sessions of one consumer with so many faults.
async fn lane(house: &House, consumer: &Person, machines: &Machines, faults: u64) -> Vec<Session> {
    let (mut sessions, mut done, mut dice) = (Vec::new(), 0, Dice::of(faults));
    while done < faults {
        let session =
            open_session(consumer, step(SPIN), (SHARDS, EACH.try_into().unwrap()), |request| {
                request.spares = 2;
            })
            .await;
        let mut course = Course::begin(&session).await;
        for fault in done..faults.min(done + 5) {
            let mut since = head(house).await;
            let busy = loop {
                course.rounds(3).await;
                projected(house).await;
                let busy = busy(house, &session, since).await;
                if busy.len() == 2 {
                    break busy;
                }
                // A window may still pay whoever was lost before.
                if busy.len() > 2 {
                    since = head(house).await;
                }
            };
            let victim = busy[usize::try_from(dice.below(2)).unwrap()];
            course.submit().await;
            tokio::time::sleep(dice.pause(0, 4)).await;
            let began = Instant::now();
            to(machines, victim, |agent| agent.process().kill9());
            course.answer().await;
            to(machines, victim, RealAgent::restart);
            let took = began.elapsed();
            assert!(took < Duration::from_secs(30), "fault {fault} took {took:?}");
        }
        done = faults.min(done + 5);
        course.rounds(5).await;
        course.check();
        course.rounds.finish().await.unwrap();
        sessions.push(session);
    }
    sessions
}

#[tokio::test]
async fn agents_that_are_killed_in_mid_round_change_no_bit() {
    let house = House::open().await;
    let (carla, karl) = (house.person("carla").await, house.person("karl").await);
    let lena = house.person("lena").await;
    let machines = Machines::default();
    for _ in 0..11 {
        let agent = house.agent(&lena).await;
        machines.borrow_mut().push(agent);
    }
    let (one, two) = tokio::join!(
        Box::pin(lane(&house, &carla, &machines, 10)),
        Box::pin(lane(&house, &karl, &machines, 10)),
    );
    for (consumer, sessions) in [(&carla, one), (&karl, two)] {
        let sessions: Vec<&Session> = sessions.iter().collect();
        paid_right(&house, consumer, &sessions).await;
    }
}

#[tokio::test]
async fn an_agent_that_stands_still_is_replaced_within_seconds() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let machines = Machines::default();
    for _ in 0..3 {
        let agent = house.agent(&lena).await;
        machines.borrow_mut().push(agent);
    }
    let each = EACH.try_into().unwrap();
    let session =
        open_session(&consumer, step(SPIN), (SHARDS, each), |request| request.spares = 1).await;
    let mut course = Course::begin(&session).await;
    let busy = loop {
        course.rounds(5).await;
        projected(&house).await;
        let busy = busy(&house, &session, 0).await;
        if busy.len() == 2 {
            break busy;
        }
    };
    course.submit().await;
    to(&machines, busy[0], |agent| agent.process().signal(Signal::SIGSTOP));
    let began = Instant::now();
    course.answer().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    to(&machines, busy[0], |agent| agent.process().signal(Signal::SIGCONT));
    course.rounds(20).await;
    course.check();
    course.rounds.finish().await.unwrap();
    paid_right(&house, &consumer, &[&session]).await;
}

#[tokio::test]
async fn a_session_goes_on_after_its_server_was_killed_and_pays_each_round_once() {
    let mut house = House::open().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    house.settings.push(("MEDUSA_SESSIONS_LISTEN", free.to_string()));
    house.kill9();
    house.restart().await;
    let consumer = house.person("carla").await;
    let lena = house.person("lena").await;
    let _agents = [house.agent(&lena).await, house.agent(&lena).await];
    let each = EACH.try_into().unwrap();
    let session = open_session(&consumer, step(SPIN), (SHARDS, each), |_| {}).await;
    let mut course = Course::begin(&session).await;
    for _ in 0..3 {
        course.rounds(40).await;
        course.submit().await;
        house.kill9();
        house.restart().await;
        course.rounds = drive(&consumer.client.session(session.id).await.unwrap()).await;
    }
    course.rounds(20).await;
    course.check();
    course.rounds.finish().await.unwrap();
    let ended = over(&consumer, &session).await;
    assert_eq!(ended.state, SessionState::Done);
    let cost = cost(&house, &session).await;
    assert_eq!((cost.rounds, cost.windows_of.len()), (ended.rounds, 2), "by the same two agents");
    paid_right(&house, &consumer, &[&session]).await;
}
