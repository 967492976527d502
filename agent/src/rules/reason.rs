//! Reasons in the lender's words: each completes "paused: …".

use std::fmt;

/// Why less than everything happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The lender paused the machine on the website.
    Website,
    /// The lender asked for quiet.
    Snoozed,
    /// This hour is not lent.
    Hours,
    /// Electricity is dear in this hour.
    Dear,
    /// A program of the lender's list runs.
    Program(String),
    /// On battery.
    Battery,
    /// So many degrees Celsius.
    Hot(i32),
    /// Other programs take, or took a while ago, a lot; the share now in percent.
    Load(u32),
    /// Somebody uses the machine, and nothing is lent then.
    InUse,
    /// No core is lent at all.
    NoCores,
    /// The connection is paid by volume.
    Metered,
    /// So many MB of disk are left.
    Disk(u64),
    /// Fewer chunks than were announced.
    Fewer {
        /// How many may compute.
        slots: u32,
        /// Of so many.
        of: u32,
        /// Whether nobody uses the machine.
        is_idle: bool,
    },
    /// The lender allows less on the website.
    WebsiteLimit {
        /// Chunks at the same time, at most.
        slots: Option<u32>,
        /// Memory, at most, in MiB.
        memory_mib: Option<u64>,
    },
}

impl Reason {
    /// Whether it keeps work away altogether, and not only some of it.
    #[must_use]
    pub const fn is_pause(&self) -> bool {
        !matches!(self, Self::Fewer { .. } | Self::WebsiteLimit { .. })
    }
}

impl Reason {
    /// The same for the lender's page on the website, without what this machine read about its
    /// other programs.
    #[must_use]
    pub fn for_the_website(&self) -> String {
        match self {
            Self::Program(_) => "a program of the list is running".into(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Website => f.write_str("stopped from the website"),
            Self::Snoozed => f.write_str("snoozed"),
            Self::Hours => f.write_str("this hour is not lent"),
            Self::Dear => f.write_str("electricity is dear in this hour"),
            Self::Program(name) => write!(f, "{name} is running"),
            Self::Battery => f.write_str("on battery"),
            Self::Hot(heat) => write!(f, "too hot, {heat} °C"),
            Self::Load(now) => write!(f, "other programs need the processor, {now} % now"),
            Self::InUse => f.write_str("somebody uses the machine"),
            Self::NoCores => f.write_str("no core is lent"),
            Self::Metered => f.write_str("the connection is paid by volume"),
            Self::Disk(mb) => write!(f, "only {mb} MB of disk are free"),
            Self::Fewer { slots, of, is_idle: false } => {
                write!(f, "{slots} of {of} at a time, because somebody uses the machine")
            }
            Self::Fewer { slots, of, is_idle: true } => write!(f, "{slots} of {of} at a time"),
            Self::WebsiteLimit { slots, memory_mib } => {
                f.write_str("the website allows ")?;
                match (slots, memory_mib) {
                    (Some(slots), Some(mib)) => write!(f, "{slots} at a time and {mib} MiB"),
                    (Some(slots), None) => write!(f, "{slots} at a time"),
                    (None, Some(mib)) => write!(f, "{mib} MiB"),
                    (None, None) => f.write_str("as much as this machine does"),
                }
            }
        }
    }
}

/// A rule that is on and cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// When the machine was used last.
    Idle,
    /// What other programs take.
    Load,
    /// Whether it runs on battery.
    Battery,
    /// How hot it is.
    Heat,
    /// Whether the connection is paid by volume.
    Metered,
    /// How much disk is free.
    Disk,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "when it was last used (it counts as in use)",
            Self::Load => "what other programs need",
            Self::Battery => "whether it is on battery",
            Self::Heat => "its temperature",
            Self::Metered => "whether the connection is paid by volume",
            Self::Disk => "how much disk is free",
        })
    }
}
