//! What the server says about this machine, ready to be shown: earnings with what they cost, tasks,
//! and the record. Rendered as one piece, for the first page and for each update after it.

use askama::Template;
use medusa_api::{AgentTask, Earnings, EarningsDay, TaskState};
use medusa_types::{Credits, Outcome, Timestamp};

use super::plot::{Plot, plot};
use crate::earnings::{Window, cost_per_hour};
use crate::os;
use crate::settings::Settings;
use crate::state::{Account, View};

/// Days of the short sum.
const WEEK: usize = 7;
const HOUR: u64 = 3_600;

/// The piece of the page.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct Told {
    sums: Option<Sums>,
    plot: Option<Plot>,
    /// The days of the plot, newest first, for whoever reads numbers.
    days: Vec<DayRow>,
    /// What an hour of computing earns, in words.
    rate: String,
    /// What it costs, and what remains, in words; empty while price or power are not set.
    electricity: String,
    tasks: Option<Vec<TaskRow>>,
    /// There are more of them.
    has_more: bool,
    record: Option<Record>,
}

struct Sums {
    today: Credits,
    week: Credits,
    month: Credits,
    pending: Credits,
    available: Credits,
}

struct DayRow {
    date: String,
    chunks: u64,
    earned: Credits,
}

/// A task that has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TaskRow {
    pub(crate) when: String,
    pub(crate) job: String,
    /// From 1.
    pub(crate) number: u64,
    pub(crate) of: u32,
    /// What became of it, in words.
    pub(crate) state: String,
    /// Whether that is nothing to be glad of.
    pub(crate) is_bad: bool,
    /// Credits as decimal text; empty without pay.
    pub(crate) pay: String,
    /// Where the payment stands in the log, with its proof.
    pub(crate) proof: Option<String>,
}

struct Record {
    score: u32,
    streak: u32,
    checked: String,
    stake: Credits,
    quarantined: Option<String>,
    marks: Vec<MarkRow>,
}

struct MarkRow {
    when: String,
    what: String,
    score: u32,
}

impl Told {
    /// What is known, whether the server has answered or not.
    pub(crate) fn of(view: &View, settings: &Settings, window: Option<Window>) -> Self {
        let account = view.account.as_deref();
        let earnings = account.and_then(|account| account.earnings.as_ref());
        let tasks = account.and_then(|account| account.tasks.as_ref());
        let rate = earnings.and_then(|earnings| rate(earnings, window));
        let load = window.and_then(|window| window.load_pct);
        let row = |task: &AgentTask| TaskRow::of(task, &view.server);
        Self {
            sums: earnings.map(Sums::of),
            plot: earnings.and_then(|earnings| plot(&earnings.days)),
            days: earnings.map_or_else(Vec::new, |earnings| days(&earnings.days)),
            rate: rate_in_words(rate, window),
            electricity: electricity(settings, load, rate),
            tasks: tasks.map(|page| page.items.iter().map(row).collect()),
            has_more: tasks.is_some_and(|page| page.next.is_some()),
            record: account.map(Record::of),
        }
    }

    /// As HTML; empty if that fails, which is logged.
    pub(crate) fn html(&self) -> String {
        self.render().unwrap_or_else(|error| {
            tracing::error!(%error, "the earnings could not be rendered");
            String::new()
        })
    }
}

impl Sums {
    fn of(earnings: &Earnings) -> Self {
        let sum = |days: usize| {
            let last = earnings.days.iter().rev().take(days);
            last.fold(Credits::ZERO, |sum, day| sum.saturating_add(day.earned))
        };
        Self {
            today: sum(1),
            week: sum(WEEK),
            month: sum(earnings.days.len()),
            pending: earnings.pending,
            available: earnings.available,
        }
    }
}

impl TaskRow {
    /// A task of this server.
    pub(crate) fn of(task: &AgentTask, server: &str) -> Self {
        let is_bad = matches!(task.state, TaskState::Refused | TaskState::Fault);
        let state = match task.state {
            TaskState::Paid => "paid",
            TaskState::Verified => "right, at no price",
            TaskState::Waiting => "waits for a check",
            TaskState::Refused => "another result was believed",
            TaskState::Fault => "could not be run here",
            TaskState::Ended => "not needed, or given back",
        };
        // That the program itself failed is a right result too.
        let failed = task.outcome.filter(|o| !matches!(o, Outcome::Done | Outcome::AgentFault));
        let state = failed
            .map_or_else(|| state.to_owned(), |outcome| format!("{state}: {}", outcome.in_words()));
        Self {
            when: date(task.ended_at),
            job: task.job_name.clone(),
            number: u64::from(task.chunk.0).saturating_add(1),
            of: task.chunks,
            state,
            is_bad,
            pay: task.paid.map_or_else(String::new, |paid| paid.to_string()),
            proof: task.paid_position.map(|position| format!("{server}/app/events/{position}")),
        }
    }
}

impl Record {
    fn of(account: &Account) -> Self {
        let about = &account.about;
        let mark = |mark: &medusa_api::AgentMark| MarkRow {
            when: date(mark.at),
            what: mark.in_words().to_owned(),
            score: mark.score,
        };
        let tenths = about.check_ppm.checked_div(1_000).unwrap_or_default();
        let whole = tenths.checked_div(10).unwrap_or_default();
        Self {
            score: about.score,
            streak: about.streak,
            checked: format!("{whole}.{} %", tenths.checked_rem(10).unwrap_or_default()),
            stake: about.stake,
            quarantined: about.quarantined_until.map(date),
            marks: about.marks.iter().map(mark).collect(),
        }
    }
}

/// What an hour of computing earns, if enough is known about both.
fn rate(earnings: &Earnings, window: Option<Window>) -> Option<Credits> {
    let (since, window) = (earnings.since?, window?);
    // The server was asked for another window, until it is asked again.
    let is_same = seconds(since.from) == window.from;
    window.per_hour(since.earned).filter(|_| is_same)
}

fn rate_in_words(rate: Option<Credits>, window: Option<Window>) -> String {
    match (rate, window) {
        (Some(rate), Some(window)) => format!(
            "{rate} credits an hour of computing, over {} of it since {}.",
            hours(window.seconds),
            os::date(window.from)
        ),
        _ => "What an hour of computing earns is told after a few minutes of it.".into(),
    }
}

/// What an hour of computing costs, and what it leaves.
fn electricity(settings: &Settings, load_pct: Option<u64>, rate: Option<Credits>) -> String {
    let Some(cost) = cost_per_hour(settings, load_pct) else { return String::new() };
    let share = load_pct.map_or_else(String::new, |pct| {
        format!(" ({} W, of which computing takes {pct} % as measured)", settings.watts)
    });
    let cents = cents(i128::from(cost));
    format!(
        "An hour of computing costs {cents} cents of electricity{share}.{}",
        net(settings, cost, rate)
    )
}

/// What remains of an hour's pay, or from which worth of a credit on something does.
fn net(settings: &Settings, cost: u64, rate: Option<Credits>) -> String {
    let Some(rate) = rate.filter(|rate| rate.is_positive()) else { return String::new() };
    let (rate, cost) = (i128::from(rate.micros()), i128::from(cost));
    if settings.credit_cents == 0 {
        // Thousandths of a cent by millionths of a credit.
        let even = cost.saturating_mul(1_000_000).checked_div(rate).unwrap_or_default();
        return format!(
            " It pays for itself while a credit is worth more than {} cents.",
            cents(even)
        );
    }
    let worth = rate.saturating_mul(i128::from(settings.credit_cents)).checked_div(1_000);
    let worth = worth.unwrap_or_default();
    let left = worth.saturating_sub(cost);
    let left = if left < 0 {
        format!("{} cents less than it costs", cents(left.saturating_neg()))
    } else {
        format!("{} cents net", cents(left))
    };
    format!(" It earns what is worth {} cents to you: {left}.", cents(worth))
}

/// Thousandths of a cent as cents with two digits.
fn cents(thousandths: i128) -> String {
    let hundredths = thousandths.checked_div(10).unwrap_or_default();
    let (whole, rest) = (hundredths.checked_div(100), hundredths.checked_rem(100));
    format!("{}.{:02}", whole.unwrap_or_default(), rest.unwrap_or_default())
}

fn hours(seconds: u64) -> String {
    let tenths = seconds.saturating_mul(10).checked_div(HOUR).unwrap_or_default();
    match tenths {
        0..10 => format!("{} min", seconds.checked_div(60).unwrap_or_default()),
        _ => {
            let whole = tenths.checked_div(10).unwrap_or_default();
            format!("{whole}.{} h", tenths.checked_rem(10).unwrap_or_default())
        }
    }
}

fn days(days: &[EarningsDay]) -> Vec<DayRow> {
    let row = |day: &EarningsDay| {
        let date = date(day.from);
        let date = date.split(' ').next().unwrap_or_default().to_owned();
        DayRow { date, chunks: day.chunks, earned: day.earned }
    };
    days.iter().rev().map(row).collect()
}

fn date(at: Timestamp) -> String {
    os::date(seconds(at))
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.micros().div_euclid(1_000_000)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use medusa_api::EarningsSince;
    use medusa_types::{ChunkIndex, JobId, LeaseId, Uuid};

    use super::*;

    fn credits(micros: i64) -> Credits {
        Credits::from_micros(micros)
    }

    fn task(state: TaskState, outcome: Option<Outcome>) -> AgentTask {
        AgentTask {
            lease: LeaseId(Uuid::from_u128(1)),
            job: JobId(Uuid::from_u128(2)),
            job_name: "Cell picture".into(),
            chunk: ChunkIndex(0),
            chunks: 9,
            state,
            outcome,
            fuel: None,
            paid: (state == TaskState::Paid).then_some(credits(1_250)),
            leased_at: Timestamp::default(),
            ended_at: Timestamp::default(),
            verified_position: None,
            paid_position: (state == TaskState::Paid).then_some(77),
        }
    }

    #[test]
    fn a_task_leads_to_its_payment() {
        let row = TaskRow::of(&task(TaskState::Paid, Some(Outcome::Done)), "http://a");
        assert_eq!(row.proof.as_deref(), Some("http://a/app/events/77"));
        assert_eq!((row.state.as_str(), row.pay.as_str(), row.number), ("paid", "0.00125", 1));
        let row = TaskRow::of(&task(TaskState::Paid, Some(Outcome::Exit(3))), "http://a");
        assert!(row.state.starts_with("paid: the program"), "{}", row.state);
        let row = TaskRow::of(&task(TaskState::Fault, Some(Outcome::AgentFault)), "http://a");
        assert_eq!((row.state.as_str(), row.is_bad), ("could not be run here", true));
        assert_eq!((row.pay.as_str(), row.proof), ("", None));
    }

    #[test]
    fn sums_are_of_the_last_days() {
        let day = |micros| EarningsDay { earned: credits(micros), ..EarningsDay::default() };
        let days = (0..30).map(|n| day(1 << n)).collect();
        let sums = Sums::of(&Earnings { days, ..Earnings::default() });
        assert_eq!(sums.today, credits(1 << 29));
        assert_eq!(sums.week, credits((1 << 30) - (1 << 23)));
        assert_eq!(sums.month, credits((1 << 30) - 1));
    }

    #[test]
    fn a_rate_names_its_window() {
        let window = Window { from: 900, seconds: 5_400, load_pct: None };
        let since = |from, micros| {
            let from = Timestamp::from_micros(from);
            Some(EarningsSince { from, chunks: 1, earned: credits(micros) })
        };
        let earnings = Earnings { since: since(900_000_000, 3_000_000), ..Earnings::default() };
        let found = rate(&earnings, Some(window));
        assert_eq!(found, Some(credits(2_000_000)));
        let words = rate_in_words(found, Some(window));
        assert!(
            words.starts_with("2.00 credits an hour of computing, over 1.5 h of it since 1970-")
        );
        let other = Earnings { since: since(0, 3_000_000), ..Earnings::default() };
        assert_eq!(rate(&other, Some(window)), None, "another window was asked for");
        assert!(rate_in_words(None, Some(window)).contains("after a few minutes"));
        assert_eq!(
            (hours(59), hours(3_599), hours(36_000)),
            ("0 min".into(), "59 min".into(), "10.0 h".into())
        );
    }

    #[test]
    fn electricity_is_told_with_what_it_leaves() {
        let mut settings = Settings { watts: 40, kwh_cents: 31, ..Settings::default() };
        assert_eq!(
            electricity(&settings, None, None),
            "An hour of computing costs 1.24 cents of electricity."
        );
        assert_eq!(
            electricity(&settings, Some(50), Some(credits(2_000_000))),
            "An hour of computing costs 0.62 cents of electricity (40 W, of which computing takes \
             50 % as measured). It pays for itself while a credit is worth more than 0.31 cents."
        );
        settings.credit_cents = 10;
        let words = |micros| electricity(&settings, None, Some(credits(micros)));
        assert!(words(2_000_000).ends_with("worth 20.00 cents to you: 18.76 cents net."));
        assert!(words(100_000).ends_with("to you: 0.24 cents less than it costs."));
        assert_eq!(electricity(&Settings::default(), None, None), "");
    }
}
