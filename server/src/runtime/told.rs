//! What takes long is told on standard error while it goes on: answers stand on standard output.

use std::pin::pin;
use std::time::Duration;

/// Between two words about the same.
const EVERY: Duration = Duration::from_secs(5);

/// Says what is done now, and again from time to time until it is.
pub(super) async fn told<T>(what: &str, work: impl Future<Output = T>) -> T {
    telling((EVERY, to_stderr), what, work).await
}

#[expect(clippy::print_stderr, reason = "words beside the answer of a command")]
fn to_stderr(line: &str) {
    eprintln!("{line}");
}

async fn telling<T>(
    (every, mut say): (Duration, impl FnMut(&str)),
    what: &str,
    work: impl Future<Output = T>,
) -> T {
    say(what);
    let (mut work, mut waited) = (pin!(work), Duration::ZERO);
    loop {
        if let Ok(done) = tokio::time::timeout(every, &mut work).await {
            return done;
        }
        waited = waited.saturating_add(every);
        say(&format!("  … {} s so far", waited.as_secs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_long_is_told_until_it_is_done() {
        let mut lines: Vec<String> = Vec::new();
        let say = |line: &str| lines.push(line.to_owned());
        let mut asked = 0;
        let work = std::future::poll_fn(|_| {
            asked += 1;
            if asked == 5 { std::task::Poll::Ready(7) } else { std::task::Poll::Pending }
        });
        assert_eq!(telling((Duration::from_millis(5), say), "fetching x", work).await, 7);
        assert_eq!(lines, ["fetching x", "  … 0 s so far", "  … 0 s so far"]);
    }
}
