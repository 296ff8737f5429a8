//! [`Alarm`]: the end of a client's time for the next head. The HTTP library asks for an alarm for each request and drops it when the
//! head is there; the runtime's are kept in a place that all threads share. One of these does for a whole connection: it is not moved
//! when the next request comes, but when it goes off too early.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt;
use tokio::time::{Sleep, sleep_until};

/// The alarm of a connection, while nobody uses it.
type Place = Arc<Mutex<Option<Pin<Box<Sleep>>>>>;

/// Gives alarms to one connection.
#[derive(Clone, Default)]
pub(super) struct Alarms(Place);

impl rt::Timer for Alarms {
    fn sleep(&self, time: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(Instant::now() + time)
    }

    fn sleep_until(&self, end: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sleep = kept.filter(|sleep| sleep.deadline().into_std() <= end);
        Box::pin(Alarm {
            sleep: Some(sleep.unwrap_or_else(|| Box::pin(sleep_until(end.into())))),
            end,
            place: Arc::clone(&self.0),
        })
    }
}

/// Comes at its end.
struct Alarm {
    /// Goes off at the end or before it. There until this is dropped.
    sleep: Option<Pin<Box<Sleep>>>,
    end: Instant,
    place: Place,
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let end = self.end;
        let Some(sleep) = &mut self.sleep else { return Poll::Ready(()) };
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline().into_std() >= end {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(end.into());
        }
    }
}

impl rt::Sleep for Alarm {}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two that were used at once the first goes.
        *place = self.sleep.take();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::rt::Timer as _;
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    /// Longer than anybody runs tests.
    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn each_comes_at_its_own_end() {
        let alarms = Alarms::default();
        let comes = async |time: Duration| {
            let end = Instant::now() + time;
            alarms.sleep_until(end).await;
            assert!(Instant::now() >= end, "before its end");
        };
        // Dropped before its end, as when a head came; the next one gets the same, which goes off too early for it.
        let mut first = alarms.sleep(SHORT);
        poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_ready())).await;
        drop(first);
        comes(2 * SHORT).await;
        // The next one gets one that has gone off already, and one that would go off too late.
        comes(SHORT).await;
        assert!(timeout(SHORT, comes(LONG)).await.is_err());
        comes(SHORT).await;
        let alarm = alarms.sleep(LONG);
        tokio::join!(comes(2 * SHORT), comes(SHORT));
        drop(alarm);
        comes(SHORT).await;
    }
}
