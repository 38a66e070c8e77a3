//! How the driver's connections are used: their number, how many are in use, and who waits for one.

use metrics::gauge;
use mongodb::event::{EventHandler, cmap::CmapEvent};

/// Sets the gauges of a database's connections.
pub(super) fn watch(database: &str) -> EventHandler<CmapEvent> {
    let database = database.to_owned();
    let open = gauge!("leadline_mongodb_connections_open", "database" => database.clone());
    let used = gauge!("leadline_mongodb_connections_used", "database" => database.clone());
    let waiting = gauge!("leadline_mongodb_connections_awaited", "database" => database);
    EventHandler::callback(move |event| match event {
        CmapEvent::ConnectionCreated(_) => open.increment(1),
        CmapEvent::ConnectionClosed(_) => open.decrement(1),
        CmapEvent::ConnectionCheckoutStarted(_) => waiting.increment(1),
        CmapEvent::ConnectionCheckoutFailed(_) => waiting.decrement(1),
        CmapEvent::ConnectionCheckedOut(_) => {
            waiting.decrement(1);
            used.increment(1);
        }
        CmapEvent::ConnectionCheckedIn(_) => used.decrement(1),
        _ => {}
    })
}
