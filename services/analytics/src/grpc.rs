//! The RPCs: admits the caller, reads the request, asks for a figure, writes the answer.

#[cfg(test)]
mod tests;

use std::{future::Future, ops::RangeInclusive, sync::Arc};

use chrono::{Datelike, NaiveDate};
use leadline_proto::{
    analytics::{self as proto, analytics_service_server::AnalyticsService},
    leads,
};
use leadline_runtime::{
    caller::{Caller, ServiceSecret},
    ids::WorkspaceId,
    refusal::Refusal,
    stop::Stop,
    time::Millis,
    tokens::Verifier,
    violations::Violations,
    zone::{Zone, parse_date},
};
use tonic::{Request, Response, Status};

use crate::{
    calendar::{Clock, Interval},
    counts::{Cohort, Counts, Need},
    figures::{
        Bucket, Dashboard, Figures, Funnel, MOST_BUCKETS, MOST_MONTHS, Month, Report, Summary, conversion,
        created, dashboard, funnel, report, share_in_tenths, summary,
    },
    lead::{Source, Status as Stage},
    rebuild::{Leads, RebuildError, rebuild},
    store::{Store, StoreError},
};

/// The service behind the contract.
pub struct Server {
    /// Counters.
    pub store: Arc<dyn Store>,
    /// Where a rebuild gets its snapshots.
    pub leads: Arc<dyn Leads>,
    /// Checks callers.
    pub verifier: Verifier,
    /// What other services show.
    pub secret: ServiceSecret,
    /// The process ends.
    pub stop: Stop,
    /// One rebuild at a time.
    pub rebuilding: Arc<tokio::sync::Mutex<()>>,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Superseded => Self::conflict("SUPERSEDED", error.to_string()),
            StoreError::Erased => Self::NotFound("workspace"),
            StoreError::Storage(error) if error.is_passing() => {
                tracing::warn!(%error, "the store does not answer");
                Self::Unavailable("the figures can't be read just now: try again".to_owned())
            }
            StoreError::Storage(error) => Self::internal(error),
        }
    }
}

impl From<RebuildError> for Refusal {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::Leads(status) => status.into(),
            RebuildError::Store(error) => error.into(),
            RebuildError::Malformed(_) | RebuildError::Foreign => Self::internal(error),
        }
    }
}

/// A figure and the time that it is of.
struct Told<T> {
    figure: T,
    as_of: Millis,
}

impl Server {
    /// Asks for a figure: first what it needs, then what it is.
    async fn ask<T>(
        &self,
        caller: &Caller,
        now: Millis,
        figure: impl Fn(&mut dyn Counts) -> T + Send,
    ) -> Result<Told<T>, Refusal> {
        let mut need = Need::default();
        figure(&mut need);
        let mut tally = self.store.read(caller.scope(), need).await?;
        Ok(Told { figure: figure(&mut tally), as_of: tally.as_of.unwrap_or(now) })
    }

    async fn admit<T: Send>(&self, request: Request<T>) -> Result<(Caller, T, Asked), Refusal> {
        let caller = self.verifier.admit(request.metadata()).await?;
        Ok((caller, request.into_inner(), Asked { violations: Violations::default(), now: Millis::now() }))
    }
}

/// Reads a request and notes all that is wrong with it.
struct Asked {
    violations: Violations,
    now: Millis,
}

impl Asked {
    fn clock(&mut self, tz: &str) -> Clock {
        let zone = self.violations.take("tz", Zone::parse(tz)).unwrap_or(Zone::UTC);
        Clock { zone, now: self.now }
    }

    fn date(&mut self, field: &str, text: &str) -> Option<NaiveDate> {
        if text.is_empty() { None } else { self.violations.take(field, parse_date(text)) }
    }

    fn range(&mut self, range: Option<proto::DateRange>) -> (Option<NaiveDate>, Option<NaiveDate>) {
        let range = range.unwrap_or_default();
        let (from, to) = (self.date("from", &range.from), self.date("to", &range.to));
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            self.violations.add("from", "must not be after `to`");
        }
        (from, to)
    }

    fn interval(&mut self, field: &str, number: i32) -> Interval {
        match proto::Interval::try_from(number) {
            Ok(proto::Interval::Unspecified | proto::Interval::Day) => Interval::Day,
            Ok(proto::Interval::Week) => Interval::Week,
            Ok(proto::Interval::Month) => Interval::Month,
            Err(_) => {
                self.violations.add(field, "must be day, week or month");
                Interval::Day
            }
        }
    }

    /// The days that a chart shows.
    fn buckets(
        &mut self,
        clock: Clock,
        interval: Interval,
        range: Option<proto::DateRange>,
    ) -> RangeInclusive<NaiveDate> {
        let (from, to) = self.range(range);
        let last = to.unwrap_or_else(|| clock.today());
        let days = from.map_or_else(|| interval.default_days(last), |from| from..=last);
        if self.violations.has("from") || self.violations.has("to") {
            return days;
        }
        if days.start() > days.end() {
            self.violations.add("from", "must not be after `to`, which is today unless it is given");
        } else if interval.buckets(&days) > MOST_BUCKETS {
            self.violations.add(
                "from",
                format!("must be nearer to `to`: at most {MOST_BUCKETS} buckets can be asked for at once"),
            );
        }
        days
    }
}

async fn answer<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<Response<T>, Status> {
    work.await.map(Response::new).map_err(Status::from)
}

#[tonic::async_trait]
impl AnalyticsService for Server {
    async fn get_summary(
        &self,
        request: Request<proto::GetSummaryRequest>,
    ) -> Result<Response<proto::Summary>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            asked.violations.check()?;
            let told = self.ask(&caller, clock.now, |counts| summary(clock, counts)).await?;
            Ok(summary_of(&told.figure, told.as_of))
        })
        .await
    }

    async fn get_by_status(
        &self,
        request: Request<proto::GetByStatusRequest>,
    ) -> Result<Response<proto::ByStatus>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            let (from, to) = asked.range(request.created);
            asked.violations.check()?;
            let span = clock.days(from, to);
            Ok(by_status(&self.ask(&caller, clock.now, |counts| counts.cohort(span)).await?.figure))
        })
        .await
    }

    async fn get_by_source(
        &self,
        request: Request<proto::GetBySourceRequest>,
    ) -> Result<Response<proto::BySource>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            let (from, to) = asked.range(request.created);
            asked.violations.check()?;
            let span = clock.days(from, to);
            Ok(by_source(&self.ask(&caller, clock.now, |counts| counts.cohort(span)).await?.figure))
        })
        .await
    }

    async fn get_created(
        &self,
        request: Request<proto::GetCreatedRequest>,
    ) -> Result<Response<proto::Created>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            let interval = asked.interval("interval", request.interval);
            let days = asked.buckets(clock, interval, request.range);
            asked.violations.check()?;
            let told = self.ask(&caller, clock.now, |counts| created(clock, interval, &days, counts)).await?;
            Ok(created_of(interval, &told.figure))
        })
        .await
    }

    async fn get_conversion(
        &self,
        request: Request<proto::GetConversionRequest>,
    ) -> Result<Response<proto::Conversion>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            if !(1..=MOST_MONTHS).contains(&request.months) {
                asked.violations.add("months", format!("must be between 1 and {MOST_MONTHS}"));
            }
            asked.violations.check()?;
            let told =
                self.ask(&caller, clock.now, |counts| conversion(clock, request.months, counts)).await?;
            Ok(conversion_of(&told.figure))
        })
        .await
    }

    async fn get_funnel(
        &self,
        request: Request<proto::GetFunnelRequest>,
    ) -> Result<Response<proto::Funnel>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            let (from, to) = asked.range(request.created);
            asked.violations.check()?;
            let span = clock.days(from, to);
            Ok(funnel_of(&self.ask(&caller, clock.now, |counts| funnel(span, counts)).await?.figure))
        })
        .await
    }

    async fn get_report(
        &self,
        request: Request<proto::GetReportRequest>,
    ) -> Result<Response<proto::Report>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            let interval = asked.interval("period", request.period);
            let date = asked.date("date", &request.date).unwrap_or_else(|| clock.today());
            asked.violations.check()?;
            let told = self.ask(&caller, clock.now, |counts| report(clock, interval, date, counts)).await?;
            Ok(report_of(interval, &told.figure))
        })
        .await
    }

    async fn get_dashboard(
        &self,
        request: Request<proto::GetDashboardRequest>,
    ) -> Result<Response<proto::Dashboard>, Status> {
        answer(async {
            let (caller, request, mut asked) = self.admit(request).await?;
            let clock = asked.clock(&request.tz);
            let interval = asked.interval("interval", request.interval);
            asked.violations.check()?;
            let told = self.ask(&caller, clock.now, |counts| dashboard(clock, interval, counts)).await?;
            Ok(dashboard_of(interval, &told.figure, told.as_of))
        })
        .await
    }

    async fn rebuild(
        &self,
        request: Request<proto::RebuildRequest>,
    ) -> Result<Response<proto::RebuildResponse>, Status> {
        answer(async {
            self.secret.admit(request.metadata())?;
            let only = match request.into_inner().workspace_id.as_str() {
                "" => None,
                id => Some(WorkspaceId::parse(id).map_err(|_| Refusal::NotFound("workspace"))?),
            };
            let under_way = self.rebuilding.clone().try_lock_owned().map_err(|_| {
                Refusal::conflict("REBUILD_UNDER_WAY", "a rebuild is under way: wait for its end")
            })?;
            let (store, leads, stop) = (self.store.clone(), self.leads.clone(), self.stop.clone());
            let (done, told) = tokio::sync::oneshot::channel();
            // It goes on when the caller does not wait for its end, and stops with the process: its work is then given up.
            self.stop.spawn(async move {
                let rebuilt = tokio::select! {
                    rebuilt = rebuild(&store, leads.as_ref(), only) => rebuilt.map_err(Refusal::from),
                    () = stop.stopping() => Err(Refusal::Unavailable("the service is stopping".to_owned())),
                };
                drop(under_way);
                // Nobody may be waiting any more.
                let _ = done.send(rebuilt);
            });
            let rebuilt = told.await.map_err(Refusal::internal)??;
            Ok(proto::RebuildResponse { leads: rebuilt.leads, workspaces: rebuilt.workspaces })
        })
        .await
    }
}

fn stage(status: Stage) -> i32 {
    let status = match status {
        Stage::New => leads::Status::New,
        Stage::Contacted => leads::Status::Contacted,
        Stage::Qualified => leads::Status::Qualified,
        Stage::Converted => leads::Status::Converted,
        Stage::Lost => leads::Status::Lost,
    };
    status.into()
}

fn source(source: Source) -> i32 {
    let source = match source {
        Source::Website => leads::Source::Website,
        Source::Referral => leads::Source::Referral,
        Source::Ad => leads::Source::Ad,
        Source::Other => leads::Source::Other,
    };
    source.into()
}

fn interval_of(interval: Interval) -> i32 {
    let interval = match interval {
        Interval::Day => proto::Interval::Day,
        Interval::Week => proto::Interval::Week,
        Interval::Month => proto::Interval::Month,
    };
    interval.into()
}

fn summary_of(summary: &Summary, as_of: Millis) -> proto::Summary {
    let (present, previous) = (summary.present, summary.previous);
    proto::Summary {
        total_leads: summary.total,
        new_today: present.new_today,
        converted_this_week: present.converted_this_week,
        lost_this_month: present.lost_this_month,
        previous: Some(proto::summary::Previous {
            new_today: previous.new_today,
            converted_this_week: previous.converted_this_week,
            lost_this_month: previous.lost_this_month,
        }),
        as_of_ms: as_of.0,
    }
}

pub(crate) fn by_status(cohort: &Cohort) -> proto::ByStatus {
    let item = |status| proto::by_status::Item { status: stage(status), count: cohort.in_status(status) };
    proto::ByStatus { items: Stage::ALL.map(item).to_vec() }
}

pub(crate) fn by_source(cohort: &Cohort) -> proto::BySource {
    let item = |from| proto::by_source::Item {
        source: source(from),
        count: cohort.from_source(from),
        converted: cohort.of(Stage::Converted, from),
    };
    proto::BySource { items: Source::ALL.map(item).to_vec() }
}

pub(crate) fn created_of(interval: Interval, buckets: &[Bucket]) -> proto::Created {
    let item = |bucket: &Bucket| proto::created::Bucket {
        start: bucket.start.to_string(),
        count: bucket.cohort.total(),
        by_source: by_source(&bucket.cohort).items,
    };
    proto::Created { interval: interval_of(interval), items: buckets.iter().map(item).collect() }
}

pub(crate) fn conversion_of(months: &[Month]) -> proto::Conversion {
    let item = |month: &Month| {
        let (created, cohort_converted) = (month.cohort.total(), month.cohort.in_status(Stage::Converted));
        proto::conversion::Month {
            month: format!("{:04}-{:02}", month.start.year(), month.start.month()),
            created,
            converted: month.converted,
            rate_tenths: share_in_tenths(month.converted, created),
            cohort_converted,
            cohort_rate_tenths: share_in_tenths(cohort_converted, created),
        }
    };
    proto::Conversion { items: months.iter().map(item).collect() }
}

pub(crate) fn funnel_of(funnel: &Funnel) -> proto::Funnel {
    let mut before = None;
    let items = Stage::FUNNEL.into_iter().zip(&funnel.steps).map(|(status, step)| {
        let step_rate_tenths = before.and_then(|before| share_in_tenths(step.reached, before));
        before = Some(step.reached);
        proto::funnel::Step {
            status: stage(status),
            reached: step.reached,
            rate_tenths: share_in_tenths(step.reached, funnel.total),
            step_rate_tenths,
            median_tenths_of_hours: step.median,
        }
    });
    proto::Funnel { items: items.collect() }
}

fn figures_of(figures: &Figures) -> proto::report::Figures {
    let created = figures.cohort.total();
    proto::report::Figures {
        created,
        contacted: figures.contacted,
        qualified: figures.qualified,
        converted: figures.converted,
        lost: figures.lost,
        rate_tenths: share_in_tenths(figures.converted, created),
    }
}

pub(crate) fn report_of(interval: Interval, report: &Report) -> proto::Report {
    proto::Report {
        period: interval_of(interval),
        start: report.start.to_string(),
        end: report.end.to_string(),
        figures: Some(figures_of(&report.figures)),
        previous: Some(figures_of(&report.previous)),
        by_status: Some(by_status(&report.figures.cohort)),
        by_source: Some(by_source(&report.figures.cohort)),
    }
}

pub(crate) fn dashboard_of(interval: Interval, dashboard: &Dashboard, as_of: Millis) -> proto::Dashboard {
    proto::Dashboard {
        summary: Some(summary_of(&dashboard.summary, as_of)),
        by_status: Some(by_status(&dashboard.all)),
        by_source: Some(by_source(&dashboard.all)),
        created: Some(created_of(interval, &dashboard.created)),
        conversion: Some(conversion_of(&dashboard.conversion)),
        funnel: Some(funnel_of(&dashboard.funnel)),
    }
}
