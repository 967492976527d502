//! Where in the log a request has written: answers to writes carry it, so that whoever wrote can
//! ask a reader for at least that much. Services tell it where they append; the server's HTTP layer
//! listens around each request. Whatever runs in other tasks is not heard.

use std::cell::Cell;

/// The header of answers to writes: the position of the last event of the request.
pub const POSITION_HEADER: &str = "x-medusa-pos";

tokio::task_local! {
    static WRITTEN: Cell<i64>;
}

/// Tells that this request has its events in the log up to this position: written now, or earlier
/// by the same operation. Outside of a request nobody listens.
pub fn written(position: i64) {
    // Not inside of a request: nobody to tell.
    let _unheard = WRITTEN.try_with(|last| last.set(last.get().max(position)));
}

/// Carries out a request, and answers the last position that it told of.
pub async fn listen<T>(request: impl Future<Output = T>) -> (T, Option<i64>) {
    let heard = async {
        let answer = request.await;
        (answer, WRITTEN.with(Cell::get))
    };
    let (answer, last) = WRITTEN.scope(Cell::new(0), heard).await;
    (answer, Some(last).filter(|last| *last > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_hears_of_its_own_writes_only() {
        written(1);
        let quiet = listen(async { 7 });
        let loud = listen(async {
            written(5);
            tokio::task::yield_now().await;
            written(4);
        });
        let ((seven, none), ((), last)) = tokio::join!(quiet, loud);
        assert_eq!((seven, none, last), (7, None, Some(5)));
    }
}
