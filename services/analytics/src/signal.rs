//! Tells everybody who listens that figures of a workspace have changed: soon, but not more often than anybody can look.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use leadline_bus::Bus;
use leadline_proto::events::{AnalyticsChanged, Event, event::Body};
use leadline_runtime::{
    ids::{WorkspaceId, new_uuid},
    stop::Stop,
    time::Millis,
};

/// The least time between two signals for one workspace.
pub const PAUSE: Duration = Duration::from_millis(200);

/// Gives the signals: the first change at once, those of the next 200 ms together at their end, and so on. The last change
/// is always told.
#[derive(Clone)]
pub struct Signals {
    bus: Bus,
    stop: Stop,
    /// The workspaces that were told of within [`PAUSE`], and what has changed since.
    resting: Arc<Mutex<HashMap<WorkspaceId, Option<Millis>>>>,
}

impl Signals {
    /// Gives signals on a bus. At `stop`, what is still to be told is told at once.
    #[must_use]
    pub fn new(bus: Bus, stop: Stop) -> Self {
        Self { bus, stop, resting: Arc::default() }
    }

    /// Figures of a workspace have changed; all events up to about `as_of` are counted.
    pub fn changed(&self, workspace: WorkspaceId, as_of: Millis) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = resting.get_mut(&workspace) {
            *waiting = Some(waiting.map_or(as_of, |known| known.max(as_of)));
            return;
        }
        resting.insert(workspace, None);
        drop(resting);
        self.tell(workspace, as_of);
        let this = self.clone();
        self.stop.spawn(async move {
            while this.stop.sleep(PAUSE).await {
                if !this.tell_waiting(workspace) {
                    return;
                }
            }
            this.tell_waiting(workspace);
        });
    }

    /// Tells what has changed meanwhile. False: nothing has, and the rest is over.
    fn tell_waiting(&self, workspace: WorkspaceId) -> bool {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match resting.get_mut(&workspace).and_then(Option::take) {
            Some(as_of) => {
                drop(resting);
                self.tell(workspace, as_of);
                true
            }
            None => {
                resting.remove(&workspace);
                false
            }
        }
    }

    fn tell(&self, workspace: WorkspaceId, as_of: Millis) {
        self.bus.signal(Event {
            id: new_uuid().to_string(),
            workspace_id: workspace.to_string(),
            at_ms: Millis::now().0,
            body: Some(Body::AnalyticsChanged(AnalyticsChanged { as_of_ms: as_of.0 })),
            ..Event::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use leadline_bus::Heard;

    use super::*;

    async fn heard(listener: &mut leadline_bus::Listener) -> (String, i64) {
        match listener.recv().await {
            Some(Heard::Event(event)) => match &event.body {
                Some(Body::AnalyticsChanged(changed)) => (event.workspace_id.clone(), changed.as_of_ms),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn many_changes_are_told_twice_the_first_at_once_and_the_last_for_sure() {
        let (bus, stop) = (Bus::memory(), Stop::new());
        let mut listener = bus.listen(&["analytics.changed"], 64);
        let signals = Signals::new(bus, stop.clone());
        let (one, other) = (WorkspaceId::new(), WorkspaceId::new());
        let started = tokio::time::Instant::now();
        for at in 1..=50 {
            signals.changed(one, Millis(at));
        }
        signals.changed(other, Millis(7));
        assert_eq!(heard(&mut listener).await, (one.to_string(), 1));
        assert_eq!(heard(&mut listener).await, (other.to_string(), 7));
        assert_eq!(heard(&mut listener).await, (one.to_string(), 50));
        assert!(started.elapsed() >= PAUSE);
        // After a rest without changes the next one is told again.
        tokio::time::timeout(Duration::from_secs(10), async {
            while !signals.resting.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        signals.changed(one, Millis(60));
        assert_eq!(heard(&mut listener).await, (one.to_string(), 60));
        stop.now();
        assert!(stop.finished(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn what_waits_is_told_when_the_process_stops() {
        let (bus, stop) = (Bus::memory(), Stop::new());
        let mut listener = bus.listen(&["analytics.changed"], 64);
        let signals = Signals::new(bus, stop.clone());
        let workspace = WorkspaceId::new();
        signals.changed(workspace, Millis(1));
        signals.changed(workspace, Millis(2));
        stop.now();
        assert!(stop.finished(Duration::from_secs(5)).await);
        assert_eq!(heard(&mut listener).await.1, 1);
        assert_eq!(heard(&mut listener).await.1, 2);
    }
}
