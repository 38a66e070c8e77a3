//! `leadline backup` and `leadline restore`: the data folder of the embedded stores, copied and put back.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use leadline_runtime::{
    config::{Setting, Settings},
    program::{Failure, announce},
    time::Millis,
};
use leadline_storage::{
    DataDir,
    sqlite::backup::{self, FileCopy},
};
use sha2::{Digest as _, Sha256};

use crate::{SERVICES, SIGNING_KEY};

const TO: Setting =
    Setting::optional("LEADLINE_TO", "Folder to write the backup to; it must not exist yet, or be empty");
const FROM: Setting = Setting::optional("LEADLINE_FROM", "Folder that holds the backup");

/// The settings that only `leadline backup` has.
pub(crate) const BACKUP_SETTINGS: &[Setting] = &[TO];
/// The settings that only `leadline restore` has.
pub(crate) const RESTORE_SETTINGS: &[Setting] = &[FROM];

/// Lists what a backup holds: a line a file, its SHA-256 and its name, as `sha256sum --check` reads it. Written last: a folder
/// without it is no backup.
const LIST: &str = "SHA256SUMS";

/// Where a backup goes to, or comes from.
pub(crate) struct Config {
    folder: PathBuf,
}

impl Config {
    pub(crate) fn backup(settings: &mut Settings) -> Option<Self> {
        Self::read(settings, &TO)
    }

    pub(crate) fn restore(settings: &mut Settings) -> Option<Self> {
        Self::read(settings, &FROM)
    }

    fn read(settings: &mut Settings, setting: &Setting) -> Option<Self> {
        settings.require(setting, |text| Ok::<_, String>(PathBuf::from(text))).map(|folder| Self { folder })
    }
}

/// Copies a data folder, while the program that uses it runs or not. Holds the signing key too: it is to be kept as a secret is.
pub(crate) fn back_up(data: &Path, config: &Config) -> Result<(), Failure> {
    let to = &config.folder;
    if !data.join(format!("{}.db", SERVICES[0])).exists() {
        return Err(Failure::new(format!(
            "{} is no data folder of Leadline's: set LEADLINE_DATA_DIR to the one to back up",
            data.display()
        )));
    }
    make_empty(to)?;
    let files: Vec<FileCopy> = SERVICES
        .iter()
        .map(|service| format!("{service}.db"))
        .map(|name| FileCopy { from: data.join(&name), to: to.join(&name) })
        .collect();
    backup::copy_as_of_one_moment(&files)?;
    let mut list = String::new();
    for name in names() {
        if name == SIGNING_KEY {
            // There is none if the setting gives the keys.
            if !data.join(&name).exists() {
                continue;
            }
            write_secret(&to.join(&name), &fs::read(data.join(&name))?)?;
        }
        list.push_str(&format!("{}  {name}\n", digest(&to.join(&name))?));
    }
    write_secret(&to.join(LIST), list.as_bytes())?;
    File::open(to)?.sync_all()?;
    announce(&format!(
        "Backed up {} to {} at {}. It holds the signing key: keep it as you keep a password.",
        data.display(),
        to.display(),
        Millis::now()
    ));
    Ok(())
}

/// Puts a backup into a data folder that has no data yet.
pub(crate) fn restore(data: &Path, config: &Config) -> Result<(), Failure> {
    let from = &config.folder;
    let list = fs::read_to_string(from.join(LIST)).map_err(|error| {
        Failure::new(format!(
            "{} is no whole backup: {LIST} can't be read ({error}); name a folder that `leadline backup` wrote",
            from.display()
        ))
    })?;
    // Everything is checked before anything is written.
    let listed = |name: &String| list.lines().any(|line| line.ends_with(&format!("  {name}")));
    let names: Vec<String> =
        names().into_iter().filter(|name| name.as_str() != SIGNING_KEY || listed(name)).collect();
    for name in &names {
        let path = from.join(name);
        let found = digest(&path)?;
        if !list.lines().any(|line| line == format!("{found}  {name}")) {
            return Err(Failure::new(format!(
                "{} is not as it was backed up: use another backup",
                path.display()
            )));
        }
    }
    let held = DataDir::lock(data)?;
    // A log that was left behind belongs to another file: SQLite would write its pages into the one that is put back.
    let left = self::names()
        .into_iter()
        .flat_map(|name| ["", "-wal", "-shm", "-journal"].map(|end| format!("{name}{end}")));
    if let Some(name) = left.into_iter().find(|name| held.file(name).exists()) {
        return Err(Failure::new(format!(
            "{} holds data already ({name}): move the whole folder away, or name another with LEADLINE_DATA_DIR",
            data.display()
        )));
    }
    for name in &names {
        // The key comes last: a folder without it has not been restored to its end.
        let unfinished = held.file(&format!("{name}.unfinished"));
        write_over(&unfinished, &mut File::open(from.join(name))?)?;
        if name.ends_with(".db") {
            backup::check(&unfinished)?;
        }
        fs::rename(&unfinished, held.file(name))?;
    }
    File::open(data)?.sync_all()?;
    announce(&format!("Restored {} from {}. Start Leadline as usual.", data.display(), from.display()));
    Ok(())
}

/// What a backup holds: the key last.
fn names() -> Vec<String> {
    SERVICES.iter().map(|service| format!("{service}.db")).chain([SIGNING_KEY.to_owned()]).collect()
}

/// Refuses a folder with databases and no key: a restore that was cut off leaves that behind, and to make a new key would hide it.
pub(crate) fn refuse_half_restored(data: &Path) -> Result<(), Failure> {
    if data.join(SIGNING_KEY).exists() {
        return Ok(());
    }
    match names().into_iter().find(|name| data.join(name).exists()) {
        None => Ok(()),
        Some(name) => Err(Failure::new(format!(
            "{} holds {name} but no {SIGNING_KEY}, as after a restore that was cut off: move the folder away and restore again, or \
             put the key back",
            data.display()
        ))),
    }
}

fn make_empty(folder: &Path) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(format!(
            "the folder {} can't be used for a backup ({error}): name another",
            folder.display()
        ))
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(cannot)?;
    if fs::read_dir(folder).map_err(cannot)?.next().is_some() {
        return Err(Failure::new(format!(
            "the folder {} is not empty: a backup needs a folder of its own",
            folder.display()
        )));
    }
    Ok(())
}

fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_over(path, &mut &*content)
}

/// Writes a file that only its owner may read, and waits until it is on the disk.
fn write_over(path: &Path, content: &mut dyn std::io::Read) -> Result<(), Failure> {
    let cannot =
        |error: std::io::Error| Failure::new(format!("{} can't be written ({error})", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(cannot)?;
    std::io::copy(content, &mut file).map_err(cannot)?;
    file.flush().and_then(|()| file.sync_all()).map_err(cannot)
}

fn digest(path: &Path) -> Result<String, Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("{} can't be read ({error})", path.display()));
    let mut file = File::open(path).map_err(cannot)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).map_err(cannot)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
