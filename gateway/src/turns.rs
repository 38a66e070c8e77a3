//! Whose request is worked on next: a workspace that asks for much waits for itself, and leaves room for the others.
//!
//! A request waits for a turn of its workspace first and for one of everybody's then, in the order of arrival, and not for
//! longer than [`PATIENCE`]: what can't begin soon is turned away while its client still listens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Extensions, Method};
use leadline_runtime::{ids::WorkspaceId, refusal::Refusal};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many requests of a workspace may be here for each one that is worked on.
const HERE_FOR_EACH: usize = 4;
/// When to try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The turns of all workspaces.
pub(crate) struct Turns {
    everybodys: Arc<Semaphore>,
    most_of_one: usize,
    patience: Duration,
    lines: Mutex<HashMap<WorkspaceId, Line>>,
}

/// Why a request is turned away: the label of a counter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Away {
    /// Too many of its workspace are here.
    Line,
    /// Its workspace's turns were taken for too long.
    Workspace,
    /// Everybody's turns were.
    Everybody,
    /// There are too many requests of any kind.
    Gateway,
}

impl Away {
    const ALL: [Self; 4] = [Self::Line, Self::Workspace, Self::Everybody, Self::Gateway];

    /// Counts `requests` more.
    pub(crate) fn count(self, requests: u64) {
        let limit = match self {
            Self::Line => "line",
            Self::Workspace => "workspace",
            Self::Everybody => "everybody",
            Self::Gateway => "gateway",
        };
        metrics::counter!("leadline_http_requests_turned_away_total", "limit" => limit).increment(requests);
    }
}

/// One more in a gauge, until it is dropped.
pub(crate) struct Counted(metrics::Gauge);

impl Counted {
    pub(crate) fn begin(gauge: metrics::Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

fn used() -> metrics::Gauge {
    metrics::gauge!("leadline_turns_used")
}

fn waiting() -> metrics::Gauge {
    metrics::gauge!("leadline_turns_waiting")
}

/// The requests of a workspace.
struct Line {
    here: usize,
    turns: Arc<Semaphore>,
}

/// A turn, until it is dropped.
pub(crate) struct Turn {
    _own: OwnedSemaphorePermit,
    _everybodys: OwnedSemaphorePermit,
    _here: Here,
    _used: Counted,
}

/// A request that waits or is worked on.
struct Here {
    workspace: WorkspaceId,
    turns: Arc<Turns>,
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut lines = self.turns.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(&self.workspace) {
            line.here -= 1;
            if line.here == 0 {
                lines.remove(&self.workspace);
            }
        }
    }
}

impl Turns {
    /// So many turns for everybody, and at most so many for one workspace.
    #[allow(clippy::cast_precision_loss, reason = "a gauge")]
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        metrics::gauge!("leadline_turns").set(most as f64);
        used().set(0);
        waiting().set(0);
        // There from the start, so that the first one is seen to be one more.
        Away::ALL.into_iter().for_each(|away| away.count(0));
        Self::with_patience(most, most_of_one, PATIENCE)
    }

    fn with_patience(most: usize, most_of_one: usize, patience: Duration) -> Arc<Self> {
        let everybodys = Arc::new(Semaphore::new(most));
        Arc::new(Self { everybodys, most_of_one, patience, lines: Mutex::default() })
    }

    fn join(self: &Arc<Self>, workspace: WorkspaceId) -> Option<(Arc<Semaphore>, Here)> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines
            .entry(workspace)
            .or_insert_with(|| Line { here: 0, turns: Arc::new(Semaphore::new(self.most_of_one)) });
        if line.here >= self.most_of_one.saturating_mul(HERE_FOR_EACH) {
            return None;
        }
        line.here += 1;
        Some((line.turns.clone(), Here { workspace, turns: self.clone() }))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] if the workspace has too many requests here, [`Refusal::Unavailable`] if all together have.
    pub(crate) async fn take(self: &Arc<Self>, workspace: WorkspaceId) -> Result<Turn, Refusal> {
        let until = Instant::now() + self.patience;
        let too_many = |away: Away| {
            away.count(1);
            Refusal::TooMany { retry_after: RETRY_AFTER }
        };
        let (turns, here) = self.join(workspace).ok_or_else(|| too_many(Away::Line))?;
        let waiting = Counted::begin(waiting());
        let Ok(Ok(own)) = timeout_at(until, turns.acquire_owned()).await else {
            return Err(too_many(Away::Workspace));
        };
        let Ok(Ok(everybodys)) = timeout_at(until, self.everybodys.clone().acquire_owned()).await else {
            Away::Everybody.count(1);
            return Err(Refusal::Unavailable("too many requests at once: try again".to_owned()));
        };
        drop(waiting);
        Ok(Turn { _own: own, _everybodys: everybodys, _here: here, _used: Counted::begin(used()) })
    }
}

/// A request's place in line, in its extensions. It is given back when the frame drops it: as soon as the answer begins.
#[derive(Clone)]
pub(crate) struct Seat {
    turns: Arc<Turns>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    workspace: Option<WorkspaceId>,
    turn: Option<Turn>,
}

impl Seat {
    /// For a new request.
    pub(crate) fn new(turns: &Arc<Turns>) -> Self {
        Self { turns: turns.clone(), state: Arc::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the turn back.
    pub(crate) fn leave(&self) {
        *self.state() = State::default();
    }

    async fn sit(&self) -> Result<(), Refusal> {
        let workspace = {
            let state = self.state();
            if state.turn.is_some() {
                return Ok(());
            }
            state.workspace
        };
        if let Some(workspace) = workspace {
            let turn = self.turns.take(workspace).await?;
            self.state().turn = Some(turn);
        }
        Ok(())
    }
}

/// Says whose request it is. One without a body waits for its turn here; others once their body is there, so that who sends
/// slowly keeps nobody waiting.
///
/// # Errors
/// Those of [`Turns::take`].
pub(crate) async fn admitted(
    extensions: &Extensions,
    method: &Method,
    workspace: WorkspaceId,
) -> Result<(), Refusal> {
    let Some(seat) = extensions.get::<Seat>() else { return Ok(()) };
    seat.state().workspace = Some(workspace);
    if matches!(*method, Method::POST | Method::PUT | Method::PATCH) { Ok(()) } else { seat.sit().await }
}

/// Waits for the turn of a request whose body is there.
///
/// # Errors
/// Those of [`Turns::take`].
pub(crate) async fn ready(extensions: &Extensions) -> Result<(), Refusal> {
    match extensions.get::<Seat>() {
        Some(seat) => seat.sit().await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_workspace_that_has_its_turns_leaves_those_of_others() {
        let turns = Turns::with_patience(8, 3, SHORT);
        let (busy, other) = (WorkspaceId::new(), WorkspaceId::new());
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(turns.take(busy).await.ok().unwrap());
        }
        assert!(matches!(turns.take(busy).await, Err(Refusal::TooMany { .. })));
        let others = turns.take(other).await;
        assert!(others.is_ok());
        taken.pop();
        assert!(turns.take(busy).await.is_ok());
        drop((taken, others));
        assert!(turns.lines.lock().unwrap().is_empty());
        assert_eq!(turns.everybodys.available_permits(), 8);
    }

    #[tokio::test]
    async fn all_together_have_so_many_turns() {
        let turns = Turns::with_patience(4, 3, SHORT);
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(turns.take(WorkspaceId::new()).await.ok().unwrap());
        }
        assert!(matches!(turns.take(WorkspaceId::new()).await, Err(Refusal::Unavailable(_))));
        taken.clear();
        assert!(turns.take(WorkspaceId::new()).await.is_ok());
    }

    #[tokio::test]
    async fn so_many_of_a_workspace_wait_in_line_and_more_are_turned_away_at_once() {
        let turns = Turns::with_patience(8, 2, LONG);
        let busy = WorkspaceId::new();
        let taken = [turns.take(busy).await.ok().unwrap(), turns.take(busy).await.ok().unwrap()];
        let waiting = 2 * (HERE_FOR_EACH - 1);
        let waiting: Vec<_> = (0..waiting)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.take(busy).await.is_ok() })
            })
            .collect();
        while turns.lines.lock().unwrap()[&busy].here < 2 * HERE_FOR_EACH {
            tokio::task::yield_now().await;
        }
        assert!(matches!(turns.take(busy).await, Err(Refusal::TooMany { .. })));
        // As those who are worked on leave, all who wait have their turn.
        drop(taken);
        for wait in waiting {
            assert!(wait.await.unwrap());
        }
        assert!(turns.lines.lock().unwrap().is_empty());
    }
}
