//! The rules, each with its stable id, what holds, and what it means when it does not.
//!
//! `I` and `L` are the two lists that auditors know; the numbers are theirs. A rule over tables is
//! a query for what breaks it: rows of a position, which may be nothing, and words.

/// How a rule is looked at.
pub(super) enum How {
    /// A query over a span of the log and what it touches.
    Span(&'static str),
    /// A query over everything as it stands now.
    Now(&'static str),
    /// The hash of each event.
    Hashes,
    /// The roots of the tree.
    Roots,
    /// The books built anew from the first event.
    Replay,
    /// The accounts that it would be about do not exist yet.
    Later,
}

/// One rule.
pub(super) struct Invariant {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) how: How,
    /// Classes of accounts that it is about; while there are none, nothing can be wrong.
    pub(super) about: &'static [&'static str],
}

/// Counts the rows of a query, with the first.
macro_rules! broken {
    ($($file:literal),+) => {
        concat!(
            "select count(*), min(pos), (array_agg(what order by pos nulls last))[1] from (",
            broken!(@ $($file),+),
            ") as broken"
        )
    };
    (@ $file:literal) => { include_str!(concat!("sql/", $file, ".sql")) };
    (@ $file:literal, $($more:literal),+) => {
        concat!(include_str!(concat!("sql/", $file, ".sql")), "union all ", broken!(@ $($more),+))
    };
}

macro_rules! invariants {
    ($(
        $id:literal $how:expr, $name:literal, $meaning:literal $(, about $($class:literal)+)?;
    )+) => {
        /// All rules, in the order of their ids.
        pub(super) const ALL: &[Invariant] = &[
            $(Invariant {
                id: $id,
                name: $name,
                meaning: $meaning,
                how: $how,
                about: &[$($($class),+)?],
            }),+
        ];
    };
}

use How::{Hashes, Later, Now, Replay, Roots, Span};

invariants! {
    "I01" Span(broken!("i01")), "positions have no gaps",
        "An event is missing, or the log is shorter than it says. Somebody has deleted.";
    "I02" Hashes, "every event has the hash of its bytes",
        "The bytes of an event, or a column beside them, were changed after it was written.";
    "I03" Span(broken!("i03")), "each event balances",
        "An event made credits or lost them: what it moved does not sum to nothing.";
    "I04" Span(broken!("i04")), "the ledger sums to zero",
        "All accounts together have more or less than nothing: there are credits from nowhere.";
    "I05" Span(broken!("i05")), "a balance is the sum of its entries",
        "What is shown to somebody is not what the log says. A rebuild of `books` puts it right.";
    "I06" Span(broken!("i06")), "nobody was ever overdrawn",
        "Somebody has spent what was not there, at least for a moment.";
    "I07" Span(broken!("i07")), "an attempt is paid at most once",
        "A lender was paid twice for the same work.",
        about "lender.pending";
    "I08" Span(broken!("i08")), "no chunk is paid more often than it was run",
        "A payment has no work behind it.",
        about "lender.pending";
    "I09" Span(broken!("i09")), "nothing is paid before it is verified",
        "A result was paid that nobody had checked.",
        about "lender.pending";
    "I10" Span(broken!("i10")), "each payment has its entry",
        "The log says that a lender was paid, and no credits moved.",
        about "lender.pending";
    "I11" Span(broken!("i11")), "a job that has ended holds nothing",
        "A consumer did not get back what the job did not spend.",
        about "escrow.promo" "escrow.ad" "escrow.paid" "escrow.earned";
    "I12" Span(broken!("i12")), "a job that has ended has no live lease",
        "An agent may still be computing for nobody.",
        about "escrow.promo" "escrow.ad" "escrow.paid" "escrow.earned";
    "I13" Span(broken!("i13")), "a lease ends once, and an old one counts no more",
        "Two results of one lease were taken, or one after the lease was given to somebody else.",
        about "escrow.promo" "escrow.ad" "escrow.paid" "escrow.earned";
    "I14" Span(broken!("i14")), "no fuel beyond the lease",
        "An agent is believed to have worked more than it was allowed to.",
        about "escrow.promo" "escrow.ad" "escrow.paid" "escrow.earned";
    "I15" Span(broken!("i15")), "one key, one effect",
        "A command was carried out twice under one key.";
    "I18" Span(broken!("i18")), "time never runs backwards",
        "An event claims to be older than the one before it.";
    "I19" Span(broken!("i19")), "only what was earned is paid out",
        "Credits that cannot be cashed were to leave the house as money.", about "payout.pending";
    "I20" Span(broken!("i20")), "no campaign gives more than it got",
        "Ad credits were given for which no advertiser has paid.", about "campaign.reserve";
    "I21" Span(broken!("i21")), "nobody is paid for their own job",
        "Somebody lends to themselves, and turns credits that cannot be cashed into earnings.",
        about "lender.pending";
    "I23" Now(broken!("i23")), "the application cannot change the log",
        "The rights of the application's role, or the triggers, allow to change events.";
    "I26" Span(broken!("i26")), "what was held is paid, given back or still held",
        "Credits of a job are not accounted for.",
        about "escrow.promo" "escrow.ad" "escrow.paid" "escrow.earned";
    "I27" Span(broken!("i27")), "a chunk knows how many leases it has",
        "A chunk waits for nobody, or is worked on without anybody knowing.",
        about "escrow.promo" "escrow.ad" "escrow.paid" "escrow.earned";
    "L01" Span(broken!("l01")), "every movement moves something between accounts of one currency",
        "An event has an empty entry, an account that is not in the chart, or mixes currencies.";
    "L02" Now(broken!("l02")), "debits equal credits, also of what is set aside",
        "The balances as they stand now do not sum to nothing.";
    "L03" Span(broken!("l03")), "limits hold after every event, with what is set aside",
        "Something was spent that was reserved for something else.";
    "L04" Span(broken!("l04")), "a statement says line by line what the events say",
        "Somebody's statement is wrong. A rebuild of `books` puts it right.";
    "L05" Span(broken!("i01", "i18")), "positions are dense and time does not go back",
        "Events are missing, or out of order.";
    "L06" Span(broken!("l06")), "a reservation ends once, and accounts know what is set aside",
        "Credits are reserved for nothing, or were moved twice.";
    "L07" Span(broken!("l07")), "a chain is written whole",
        "A command was carried out in part.";
    "L08" Span(broken!("l08")), "a key has one outcome for ever",
        "A command was carried out that was refused before, or nothing would keep it from being \
         carried out again.";
    "L09" Span(broken!("l09")), "the escrow of a job that has ended is settled and closed",
        "Something can still be paid from a job that has ended, or its bill does not add up.",
        about "escrow.promo" "escrow.ad" "escrow.paid" "escrow.earned";
    "L10" Span(broken!("l10")), "a chunk is paid once, to those whose result was right",
        "A consumer was charged twice, or somebody was paid who had no part in the result.",
        about "lender.pending";
    "L11" Span(broken!("l11")), "the parts of a price sum to it",
        "A split has lost or made credits by rounding.",
        about "lender.pending";
    "L12" Span(broken!("l12")), "every ad credit is backed by an advertiser",
        "Ad credits came from somewhere else than a campaign's budget.",
        about "campaign.reserve" "consumer.ad";
    "L13" Later, "credits and dollars were exchanged at the posted price",
        "Somebody bought credits too cheaply, or too dearly.", about "exchange.USD" "exchange.CRD";
    "L14" Later, "what can be cashed is covered by money",
        "The house could not pay everybody out.", about "bank" "psp_clearing";
    "L15" Span(broken!("l15")), "payouts come out of matured earnings",
        "A lender has taken out more than was available.", about "lender.available";
    "L16" Span(broken!("l16")), "earnings leave for payouts, clawbacks, own jobs and tax only",
        "A lender's earnings were spent for something that nobody may spend them for.",
        about "lender.available";
    "L17" Now(broken!("l17")), "rounding stays within a credit",
        "Something rounds to one side again and again.", about "rounding";
    "L18" Span(broken!("l18")), "adjustments have two persons, a reason and a ticket",
        "Somebody has changed the books alone, or their own account.", about "suspense.adjustment";
    "L19" Span(broken!("l19")), "closed accounts do not move",
        "Something was paid from or to an account that was closed.";
    "L20" Span(broken!("l20")), "the trial balance sums to zero at every position",
        "From some event on there are credits from nowhere.";
    "L21" Roots, "the tree has the roots that were signed",
        "The log is not the one that was signed: its history was changed.";
    "L22" Replay, "replay from the first event gives the stored books",
        "Balances, statements or reservations are not what the log gives. A rebuild of `books` \
         puts them right.";
    "L23" Later, "the bank's statement has the same movements",
        "Money came or went that the books do not know.", about "bank" "psp_clearing";
    "L24" Span(broken!("l24")), "no balance leaves its range",
        "A sum is so large that it can no longer be counted.";
}
