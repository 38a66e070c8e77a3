//! Every path and its handlers.

use std::sync::Arc;

use axum::{Router, extract::Request, middleware, routing::get};
use tower::ServiceExt;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    activity, analytics, auth, dashboard, events, exports, frame, gateway::Gateway, imports, leads,
    openapi::Frame, operations, reminders, workspace,
};

/// The described paths, and their description.
pub(crate) fn api() -> (Router<Arc<Gateway>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Frame::openapi())
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::get_me, auth::update_me, auth::erasure::delete_me))
        .routes(routes!(auth::change_password))
        .routes(routes!(auth::switch_workspace))
        .routes(routes!(auth::sessions::list_sessions))
        .routes(routes!(auth::sessions::end_session))
        .routes(routes!(auth::accept_invitation))
        .routes(routes!(workspace::get_workspace, workspace::update_workspace))
        .routes(routes!(workspace::list_members))
        .routes(routes!(workspace::change_role, workspace::remove_member))
        .routes(routes!(workspace::list_invitations, workspace::create_invitation))
        .routes(routes!(workspace::withdraw_invitation))
        .routes(routes!(leads::list_leads, leads::create_lead))
        .routes(routes!(leads::bulk::change_leads))
        .routes(routes!(exports::export_leads))
        .routes(routes!(imports::start_import))
        .routes(routes!(imports::list_imports))
        .routes(routes!(imports::get_import))
        .routes(routes!(exports::get_import_errors))
        .routes(routes!(imports::undo_import))
        .routes(routes!(leads::duplicates::find_duplicates))
        .routes(routes!(leads::duplicates::list_duplicates))
        .routes(routes!(leads::get_lead, leads::update_lead, leads::replace_lead, leads::delete_lead))
        .routes(routes!(leads::restore_lead))
        .routes(routes!(leads::merge::merge_leads))
        .routes(routes!(leads::merge::unmerge_leads))
        .routes(routes!(leads::move_lead))
        .routes(routes!(leads::notes::list_notes, leads::notes::add_note))
        .routes(routes!(leads::notes::delete_note))
        .routes(routes!(activity::list_lead_activity))
        .routes(routes!(activity::list_activity))
        .routes(routes!(events::get_events))
        .routes(routes!(reminders::list_reminders, reminders::create_reminder))
        .routes(routes!(reminders::list_today))
        .routes(routes!(reminders::list_overdue))
        .routes(routes!(reminders::get_reminder, reminders::update_reminder, reminders::delete_reminder))
        .routes(routes!(reminders::complete_reminder))
        .routes(routes!(reminders::reopen_reminder))
        .routes(routes!(reminders::snooze_reminder))
        .routes(routes!(analytics::get_summary))
        .routes(routes!(analytics::get_by_status))
        .routes(routes!(analytics::get_by_source))
        .routes(routes!(analytics::get_created))
        .routes(routes!(analytics::get_conversion))
        .routes(routes!(analytics::get_funnel))
        .routes(routes!(analytics::get_report))
        .routes(routes!(analytics::get_dashboard))
        .routes(routes!(exports::export_figures))
        .routes(routes!(exports::get_monthly_report))
        .routes(routes!(exports::link::create_download))
        .routes(routes!(exports::link::get_download))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::jwks))
        .routes(routes!(operations::openapi))
        .split_for_parts()
}

/// The whole service.
pub(crate) fn service(gateway: Arc<Gateway>) -> Router {
    let routes = api()
        .0
        .route("/api/docs", get(dashboard::docs))
        .route("/api/docs/{*file}", get(dashboard::docs))
        .fallback(dashboard::fallback)
        .layer(middleware::from_fn_with_state(gateway.clone(), frame::frame))
        .with_state(gateway);
    Router::new().fallback_service(routes.map_request(without_slash))
}

/// A collection is the same with a slash behind it.
fn without_slash(mut request: Request) -> Request {
    let uri = request.uri();
    if let Some(path) = uri.path().strip_suffix('/')
        && path.starts_with("/api/")
    {
        let target = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = target.parse().ok().or(parts.path_and_query);
        if let Ok(uri) = http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}
