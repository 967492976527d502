//! Standard output for data, standard error for talk, bars and questions on terminals only.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::args::{Global, When};
use crate::env::Env;

/// Where and how to say things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
    quiet: bool,
    color_out: bool,
    color_err: bool,
}

impl Out {
    pub(crate) fn new(global: &Global, env: &Env) -> Self {
        let color = |terminal: bool| match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !env.no_color,
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            color_out: color(io::stdout().is_terminal()),
            color_err: color(io::stderr().is_terminal()),
        }
    }

    /// Says nothing but what it is asked for.
    #[cfg(test)]
    pub(crate) const fn silent() -> Self {
        Self { json: false, quiet: true, color_out: false, color_err: false }
    }

    /// Whether data is wanted as JSON.
    pub(crate) const fn json(self) -> bool {
        self.json
    }

    /// A line of data. A reader who has seen enough, like `head`, is no failure of ours.
    pub(crate) fn data(self, line: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A value as one line of JSON.
    pub(crate) fn value(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.data(&serde_json::to_string(value)?)
    }

    /// A line of talk.
    pub(crate) fn say(self, line: &str) {
        if !self.quiet {
            self.complain(line);
        }
    }

    /// A line that even `--quiet` does not hide.
    pub(crate) fn complain(self, line: &str) {
        // With standard error gone there is nobody left to tell.
        drop(writeln!(io::stderr().lock(), "{line}"));
    }

    /// Red on standard error.
    pub(crate) fn red(self, text: &str) -> String {
        paint(self.color_err, "31", text)
    }

    /// A state in its colour, on standard output.
    pub(crate) fn state(self, text: &str) -> String {
        // A state may be followed by its reason.
        let color = match text.split(':').next().unwrap_or(text) {
            "done" | "verified" | "idle" | "busy" | "ok" => "32",
            "failed" | "wrong" => "31",
            "running" | "merging" | "leased" => "36",
            _ => "33",
        };
        paint(self.color_out, color, text)
    }

    /// Columns under a head; numbers are whatever the caller made of them.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
        for line in lay_out(head, rows) {
            self.data(line.trim_end())?;
        }
        Ok(())
    }

    /// A bar on standard error; hidden where nobody sees it.
    pub(crate) fn bar(self, length: u64, template: &str) -> anyhow::Result<ProgressBar> {
        let hidden = self.quiet || self.json || !io::stderr().is_terminal();
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template(template)?.progress_chars("━━╌");
        let bar = ProgressBar::with_draw_target(Some(length), target).with_style(style);
        if !hidden {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Ok(bar)
    }

    /// A bar over bytes.
    pub(crate) fn bytes_bar(self, what: &str) -> anyhow::Result<ProgressBar> {
        let template = "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        Ok(self.bar(0, template)?.with_message(what.to_owned()))
    }
}

/// Whether somebody sits there who can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line.
pub(crate) fn ask(question: &str) -> anyhow::Result<String> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} ")?;
    stderr.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn paint(on: bool, color: &str, text: &str) -> String {
    if on { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn lay_out(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let mut all = vec![head.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>()];
    all.extend_from_slice(rows);
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let pad = |(cell, width): (&String, &usize)| {
            format!("{cell}{}", " ".repeat(width.saturating_sub(visible(cell))))
        };
        row.iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ")
    };
    all.iter().map(line).collect()
}

/// Characters that take room: those of colour codes do not.
fn visible(cell: &str) -> usize {
    let mut in_code = false;
    cell.chars()
        .filter(|c| {
            in_code |= *c == '\u{1b}';
            let shown = !in_code;
            in_code &= *c != 'm';
            shown
        })
        .count()
}

/// A number of bytes for people: `512 bytes`, `1.5 MB`.
pub(crate) fn bytes_in_words(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| bytes >= *unit) else {
        return format!("{bytes} bytes");
    };
    let whole = bytes.checked_div(unit).unwrap_or_default();
    let rest = bytes.checked_rem(unit).unwrap_or_default().saturating_mul(10);
    format!("{whole}.{} {name}", rest.checked_div(unit).unwrap_or_default())
}

/// A duration for people: `12 s`, `3 min 5 s`, `2 h 10 min`.
pub(crate) fn seconds_in_words(seconds: u64) -> String {
    let (minutes, s) = (seconds.checked_div(60).unwrap_or(0), seconds.checked_rem(60).unwrap_or(0));
    let (hours, m) = (minutes.checked_div(60).unwrap_or(0), minutes.checked_rem(60).unwrap_or(0));
    match (hours, m) {
        (0, 0) => format!("{s} s"),
        (0, m) => format!("{m} min {s} s"),
        (h, m) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colours() {
        let rows = [
            vec![paint(true, "32", "done"), "5.00".to_owned()],
            vec!["cancelled".to_owned(), "1".to_owned()],
        ];
        let lines = lay_out(&["STATE", "COST"], &rows);
        assert_eq!(lines[0], "STATE      COST");
        assert_eq!(lines[1], "\u{1b}[32mdone\u{1b}[0m       5.00");
        assert_eq!(lines[2], "cancelled  1   ");
    }

    #[test]
    fn sizes_and_times_read_well() {
        for (bytes, text) in
            [(0, "0 bytes"), (999, "999 bytes"), (1_500_000, "1.5 MB"), (2_000_000_000, "2.0 GB")]
        {
            assert_eq!(bytes_in_words(bytes), text);
        }
        for (seconds, text) in [(0, "0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")] {
            assert_eq!(seconds_in_words(seconds), text);
        }
    }
}
