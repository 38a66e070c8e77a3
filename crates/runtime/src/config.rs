//! Settings: each is a flag, an environment variable and a line of a file, read once and checked whole at start.
//!
//! The first of these that has a setting wins: flag, environment, file (`--config`), default. Secrets are never flags (other
//! users of a machine can see those): they come from the environment or, better, from a file that `NAME_FILE` names.

use std::{collections::HashMap, ffi::OsString, fmt, net::SocketAddr, path::Path};

use clap::{Arg, ArgAction, Command, error::ErrorKind};

/// A setting of a program.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable, `LEADLINE_…`; the flag is the rest of it in lower case with hyphens.
    pub name: &'static str,
    /// What it is when nobody says; `None`: it may be left out or is required, as the reader decides.
    pub default: Option<&'static str>,
    /// Never a flag, never shown.
    pub secret: bool,
    /// One sentence for `--help`.
    pub help: &'static str,
}

impl Setting {
    /// A setting with a default.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, default: Some(default), secret: false, help }
    }

    /// A setting without one.
    #[must_use]
    pub const fn optional(name: &'static str, help: &'static str) -> Self {
        Self { name, default: None, secret: false, help }
    }

    /// A secret; there is no default secret.
    #[must_use]
    pub const fn secret(name: &'static str, help: &'static str) -> Self {
        Self { name, default: None, secret: true, help }
    }

    fn flag(&self) -> String {
        self.name.trim_start_matches("LEADLINE_").to_lowercase().replace('_', "-")
    }

    fn file_name(&self) -> String {
        format!("{}_FILE", self.name)
    }
}

/// A command of a program besides running it.
#[derive(Debug, Clone, Copy)]
pub struct Subcommand {
    /// Its name.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Settings that only it has.
    pub settings: &'static [Setting],
}

/// A program: what `--help` says.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name on the command line.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Its settings.
    pub settings: Vec<Setting>,
    /// Its other commands.
    pub commands: Vec<Subcommand>,
}

/// Why a program does not start: for people, on one line or one line a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// `--help` or `--version` was asked for: print it and be content.
    Help(String),
    /// These settings are wrong.
    Faults(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help(text) | Self::Faults(text) => f.write_str(text),
        }
    }
}

/// The settings of one start. Readers take what they need; [`Settings::finish`] tells every fault at once.
pub struct Settings {
    values: HashMap<&'static str, String>,
    given: Vec<&'static str>,
    faults: Vec<String>,
    /// The command that was given, if any.
    pub command: Option<&'static str>,
}

impl Settings {
    /// Reads flags, environment and file. `environment` is a look-up so that tests need not touch the process's own.
    ///
    /// # Errors
    /// [`Unusable`] for unknown flags, a file that can't be read, and for `--help`.
    pub fn read(
        program: &Program,
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Unusable> {
        let matches =
            describe(program).try_get_matches_from(arguments).map_err(|error| match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    Unusable::Help(error.render().to_string())
                }
                _ => Unusable::Faults(error.render().to_string().trim_end().to_owned()),
            })?;
        let chosen = matches.subcommand();
        let command =
            chosen.and_then(|(name, _)| program.commands.iter().find(|command| command.name == name));
        let mut read = Self {
            values: HashMap::new(),
            given: Vec::new(),
            faults: Vec::new(),
            command: command.map(|command| command.name),
        };
        let from_flag = |name: &str| {
            let under = chosen.and_then(|(_, under)| under.try_get_one::<String>(name).ok().flatten());
            under.or_else(|| matches.try_get_one::<String>(name).ok().flatten()).cloned()
        };
        let file = match from_flag("config").or_else(|| environment("LEADLINE_CONFIG")) {
            Some(path) => read_file(Path::new(&path)).map_err(Unusable::Faults)?,
            None => HashMap::new(),
        };
        let own = command.map(|command| command.settings).unwrap_or_default();
        for setting in program.settings.iter().chain(own) {
            // An empty variable is how compose files and shells say that there is none.
            let look_up = |name: &str| {
                let given = environment(name).filter(|text| !text.is_empty());
                given.or_else(|| file.get(name).cloned())
            };
            let mut value = if setting.secret { None } else { from_flag(setting.name) };
            value = value.or_else(|| look_up(setting.name));
            if setting.secret
                && value.is_none()
                && let Some(path) = look_up(&setting.file_name())
            {
                match std::fs::read_to_string(&path) {
                    Ok(text) => value = Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(error) => read.fault(&setting.file_name(), format!("can't read {path}: {error}")),
                }
            }
            if value.is_some() {
                read.given.push(setting.name);
            }
            if let Some(value) = value.or_else(|| setting.default.map(str::to_owned)) {
                read.values.insert(setting.name, value);
            }
        }
        for name in file.keys() {
            let known = program.settings.iter().chain(own).any(|s| s.name == name || s.file_name() == *name);
            if !known {
                read.fault(name, "is not a setting of this program: see --help");
            }
        }
        Ok(read)
    }

    /// Whether somebody gave the setting, rather than its default.
    #[must_use]
    pub fn is_given(&self, setting: &Setting) -> bool {
        self.given.contains(&setting.name)
    }

    /// The setting as text; `None` if there is none or it is empty.
    #[must_use]
    pub fn text(&self, setting: &Setting) -> Option<String> {
        self.values.get(setting.name).filter(|text| !text.is_empty()).cloned()
    }

    /// The setting, parsed; a fault is noted and gives `None`, like a setting that is not there.
    pub fn parse<T, E: fmt::Display>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(setting)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                // An address may hold a password before its `@`.
                let private = setting.secret || text.contains('@');
                let shown = if private { String::new() } else { format!(" (it is `{text}`)") };
                self.fault(setting.name, format!("{error}{shown}"));
                None
            }
        }
    }

    /// As [`Settings::parse`], but `off` gives `None` without a fault.
    pub fn parse_or_off<T, E: fmt::Display>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.text(setting).as_deref() == Some("off") { None } else { self.parse(setting, parse) }
    }

    /// As [`Settings::parse`], with a fault if it is not there.
    pub fn require<T, E: fmt::Display>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.text(setting).is_none() {
            let how = if setting.secret {
                format!(" (or {}, a file's path)", setting.file_name())
            } else {
                String::new()
            };
            self.fault(setting.name, format!("must be set{how}: {}", setting.help));
            return None;
        }
        self.parse(setting, parse)
    }

    /// Notes a fault, once: two parts of a program may read the same setting.
    pub fn fault(&mut self, name: &str, what: impl fmt::Display) {
        let fault = format!("{name}: {what}");
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Tells all faults at once.
    ///
    /// # Errors
    /// [`Unusable::Faults`], one line a fault, if there is any.
    pub fn finish(&mut self) -> Result<(), Unusable> {
        if self.faults.is_empty() { Ok(()) } else { Err(Unusable::Faults(self.faults.join("\n"))) }
    }
}

/// `on` and `off`, for switches.
///
/// # Errors
/// A sentence for anything else.
pub fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

/// An address to listen on.
///
/// # Errors
/// A sentence for anything else.
pub fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be a number and a port such as 127.0.0.1:8080, not a name")
}

fn describe(program: &Program) -> Command {
    let arguments = |settings: &[Setting]| -> Vec<Arg> {
        let visible = settings.iter().filter(|setting| !setting.secret);
        let secrets = settings.iter().filter(|setting| setting.secret);
        let flags = visible.map(|setting| {
            let default = setting.default.map(|text| format!(" [default: {text}]")).unwrap_or_default();
            Arg::new(setting.name)
                .long(setting.flag())
                .value_name("VALUE")
                .action(ArgAction::Set)
                .help(format!("{}{default} [env: {}]", setting.help, setting.name))
        });
        // Named in the help, but not to be given on the command line.
        let notes = secrets.map(|setting| {
            Arg::new(setting.name)
                .long(setting.flag())
                .value_name("SECRET")
                .value_parser(|_: &str| -> Result<String, String> {
                    Err("a secret can't be a flag: set the environment variable, or its _FILE".to_owned())
                })
                .help(format!(
                    "{} [env: {} or {}; not a flag]",
                    setting.help,
                    setting.name,
                    setting.file_name()
                ))
        });
        flags.chain(notes).collect()
    };
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .global(true)
        .help("A file of settings, one `NAME=value` a line [env: LEADLINE_CONFIG]");
    let mut command = Command::new(program.name)
        .about(program.about)
        .version(env!("CARGO_PKG_VERSION"))
        .arg(config)
        .args(arguments(&program.settings));
    for sub in &program.commands {
        command = command.subcommand(
            Command::new(sub.name)
                .about(sub.about)
                .args(arguments(&program.settings))
                .args(arguments(sub.settings)),
        );
    }
    command
}

/// Reads `NAME=value` lines; `#` begins a comment line.
fn read_file(path: &Path) -> Result<HashMap<String, String>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("LEADLINE_CONFIG: can't read {}: {error}", path.display()))?;
    let mut settings = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("{}:{}: must be NAME=value", path.display(), number + 1))?;
        settings.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: Setting = Setting::new("LEADLINE_LISTEN", "127.0.0.1:8080", "Where to listen");
    const SECRET: Setting = Setting::secret("LEADLINE_SERVICE_SECRET", "What services show each other");

    fn program() -> Program {
        Program { name: "leadline", about: "A test", settings: vec![LISTEN, SECRET], commands: Vec::new() }
    }

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Settings, Unusable> {
        let arguments = std::iter::once("leadline").chain(arguments.iter().copied()).map(OsString::from);
        Settings::read(&program(), arguments, |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_default() {
        let environment = [("LEADLINE_LISTEN", "0.0.0.0:1")];
        assert_eq!(
            read(&["--listen", "0.0.0.0:2"], &environment).unwrap().text(&LISTEN).unwrap(),
            "0.0.0.0:2"
        );
        assert_eq!(read(&[], &environment).unwrap().text(&LISTEN).unwrap(), "0.0.0.0:1");
        assert_eq!(read(&[], &[]).unwrap().text(&LISTEN).unwrap(), "127.0.0.1:8080");
        assert_eq!(read(&[], &[("LEADLINE_LISTEN", "")]).unwrap().text(&LISTEN).unwrap(), "127.0.0.1:8080");
    }

    #[test]
    fn every_fault_is_told_at_once_and_no_secret_is_shown() {
        let mut settings =
            read(&[], &[("LEADLINE_LISTEN", "nowhere"), ("LEADLINE_SERVICE_SECRET", "hunter2")]).unwrap();
        settings.parse(&LISTEN, str::parse::<std::net::SocketAddr>);
        settings.require(&SECRET, crate::caller::ServiceSecret::new);
        let told = settings.finish().unwrap_err().to_string();
        assert!(told.contains("LEADLINE_LISTEN") && told.contains("nowhere"), "{told}");
        assert!(told.contains("LEADLINE_SERVICE_SECRET") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn an_address_with_a_password_is_not_shown() {
        let mut settings = read(&[], &[("LEADLINE_LISTEN", "mongodb://ada:hunter2@nowhere:x")]).unwrap();
        settings.parse(&LISTEN, str::parse::<std::net::SocketAddr>);
        assert!(!settings.finish().unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn a_secret_comes_from_a_file_and_never_from_a_flag() {
        let file = std::env::temp_dir().join(format!("leadline-secret-{}", std::process::id()));
        std::fs::write(&file, "from-a-file\n").unwrap();
        let path = file.to_string_lossy().into_owned();
        let settings = read(&[], &[("LEADLINE_SERVICE_SECRET_FILE", &path)]).unwrap();
        assert_eq!(settings.text(&SECRET).unwrap(), "from-a-file");
        std::fs::remove_file(file).unwrap();
        assert!(matches!(read(&["--service-secret", "x"], &[]), Err(Unusable::Faults(_))));
    }

    #[test]
    fn help_names_every_setting() {
        let Err(Unusable::Help(help)) = read(&["--help"], &[]) else { panic!("no help") };
        assert!(help.contains("LEADLINE_LISTEN") && help.contains("LEADLINE_SERVICE_SECRET_FILE"), "{help}");
    }
}
