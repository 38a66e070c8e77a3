//! The frame around every `main`: settings, logs, metrics, signals, and what the shell is told.

mod health;

use std::{fmt, future::Future, process::ExitCode};

use crate::{
    config::{self, Program, Setting, Settings, Unusable},
    route::Route,
    stop::{LAST_MOMENT, Stop},
    telemetry::{self, LogFormat},
    tls::Tls,
    trace::{Collector, Traces},
};

/// What to log.
pub const LOG: Setting = Setting::new(
    "LEADLINE_LOG",
    "info",
    "What to log: a level, or directives such as info,leadline_leads=debug",
);
/// In what form.
pub const LOG_FORMAT: Setting = Setting::new("LEADLINE_LOG_FORMAT", "text", "Form of the logs: text or json");
/// Where metrics are served.
pub const METRICS_LISTEN: Setting =
    Setting::new("LEADLINE_METRICS_LISTEN", "127.0.0.1:9090", "Address of the Prometheus metrics, or off");

/// Where traces go.
pub const OTLP_ENDPOINT: Setting = Setting::optional(
    "LEADLINE_OTLP_ENDPOINT",
    "Collector of traces (OTLP over gRPC) such as http://127.0.0.1:4317; https:// with the services' own certificates",
);
/// How many of them.
pub const TRACE_SAMPLE: Setting = Setting::new(
    "LEADLINE_TRACE_SAMPLE",
    "1.0",
    "Share of the traces that begin here and are sent, from 0 to 1; what comes in with a decision keeps it",
);

/// The settings that every program has.
pub const SETTINGS: [Setting; 5] = [LOG, LOG_FORMAT, METRICS_LISTEN, OTLP_ENDPOINT, TRACE_SAMPLE];

/// Why a program ends with an error: a line that says what, where, and what to do (several for several settings).
#[derive(Debug)]
pub struct Failure {
    what: String,
    /// 1, or 2 for settings that can't be used.
    code: u8,
}

impl Failure {
    /// From a sentence.
    pub fn new(what: impl fmt::Display) -> Self {
        Self { what: what.to_string(), code: 1 }
    }

    /// From settings that can't be used.
    #[must_use]
    pub fn unusable(settings: &Unusable) -> Self {
        Self { what: settings.to_string(), code: 2 }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        Self::new(text)
    }
}

/// Runs a program: reads its settings, starts logs and metrics, gives `main` the signal to stop, and waits for what it spawned.
///
/// `main` reads its settings first and ends with the fault of [`Settings::finish`], if there is one. It returns when the program
/// is to end by itself (a command that is done) or when `stop` was given. The exit code is 0 after a clean end, 1 after a
/// failure, 2 for settings that can't be used.
pub fn run<F, Fut>(mut program: Program, main: F) -> ExitCode
where
    F: FnOnce(Settings, Stop) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let name = program.name;
    program.commands.push(health::COMMAND);
    let mut settings = match Settings::read(&program, std::env::args_os(), |name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(unusable) => return tell(name, &unusable),
    };
    let filter = settings.text(&LOG).unwrap_or_default();
    let format = settings.parse(&LOG_FORMAT, |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json"),
    });
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(name, &Unusable::Faults(format!("can't start threads: {error}"))),
    };
    let code = runtime.block_on(async move {
        let collector = if settings.command.is_none() { collector(&mut settings) } else { None };
        let traces = collector.map(|collector| Traces::start(collector, name));
        if let Err(error) = telemetry::start_logs(&filter, format.unwrap_or(LogFormat::Text), traces.as_ref()) {
            return tell(name, &Unusable::Faults(error));
        }
        let stop = Stop::new();
        if let Err(error) = stop.at_signals() {
            return tell(name, &Unusable::Faults(format!("can't listen for signals: {error}")));
        }
        if settings.command == Some(health::COMMAND.name) {
            return exit(name, health::run(&program, settings).await);
        }
        // Metrics are for programs that stay; a command that ends by itself has none.
        if settings.command.is_none()
            && let Some(address) = settings.parse_or_off(&METRICS_LISTEN, config::address)
            && let Err(error) = telemetry::serve_metrics(address, &stop).await
        {
            if settings.is_given(&METRICS_LISTEN) {
                settings.fault(METRICS_LISTEN.name, format!("can't listen on {address}: {error}"));
            } else {
                tracing::warn!(%address, %error, "no metrics: the default address is taken; set LEADLINE_METRICS_LISTEN");
            }
        }
        // What is wrong so far is told by `main`, together with what it finds in its own settings.
        let ending = async {
            let ended = main(settings, stop.clone()).await;
            let finished = stop.last_work().await;
            if let Some(traces) = traces {
                traces.close().await;
            }
            (finished, ended)
        };
        let (finished, ended) = tokio::select! {
            ended = ending => ended,
            // It hangs in its last words. What it had to store is stored: that is no failure.
            () = stop.over(LAST_MOMENT) => (false, Ok(())),
        };
        if !finished {
            tracing::warn!("some work was still under way when the time to stop was over");
        }
        exit(name, ended)
    });
    // Threads that hang in a call to the system are left behind.
    runtime.shutdown_background();
    code
}

/// Where spans go; faults are noted.
fn collector(settings: &mut Settings) -> Option<Collector> {
    let sample = settings.parse(&TRACE_SAMPLE, |text| match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a share from 0 to 1, such as 0.1"),
    });
    // A collector beside the process may be spoken to without TLS, whatever the services do among themselves.
    let is_plain = settings.text(&OTLP_ENDPOINT).is_none_or(|address| address.starts_with("http://"));
    let tls = if is_plain { None } else { Tls::read(settings) };
    let route = settings.parse(&OTLP_ENDPOINT, |address| Route::to(address, tls.as_ref()))?;
    Some(Collector { route, sample: sample? })
}

fn exit(name: &str, ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { what, code }) => {
            for line in what.lines() {
                say(&format!("{name}: {line}"));
            }
            ExitCode::from(code)
        }
    }
}

fn tell(name: &str, unusable: &Unusable) -> ExitCode {
    match unusable {
        Unusable::Help(text) => {
            announce(text.trim_end());
            ExitCode::SUCCESS
        }
        Unusable::Faults(text) => {
            for line in text.lines() {
                say(&format!("{name}: {line}"));
            }
            ExitCode::from(2)
        }
    }
}

/// A line for the person who started the program, on standard output: what it is for is not a log.
#[allow(clippy::print_stdout, reason = "the one place that speaks to a person at a shell")]
pub fn announce(line: &str) {
    println!("{line}");
}

/// A line for the person who started the program, on standard error.
#[allow(clippy::print_stderr, reason = "the one place that speaks to a person at a shell")]
pub fn say(line: &str) {
    eprintln!("{line}");
}
