//! Where a store is: a file or a MongoDB address.

use std::fmt;
use std::path::PathBuf;

use crate::StorageError;

/// A store's address, parsed. `Debug` and `Display` never show a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `file:./data/leads.db`, `file:/var/lib/leadline/leads.db` or `file:///var/lib/leadline/leads.db`.
    Sqlite(PathBuf),
    /// `mongodb://host:port,host:port/prefix?replicaSet=…`; the path is a prefix for the databases' names
    /// (see [`Mongo::database_name`](crate::Mongo::database_name)).
    Mongo(MongoUri),
}

impl StoreUrl {
    /// Parses a store's address.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`] with one line that says what to write instead, and that repeats nothing of the address
    /// that could be a secret.
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("file:") {
            return sqlite_path(path).map(Self::Sqlite);
        }
        if text.starts_with("mongodb+srv:") {
            return Err(bad(
                "mongodb+srv addresses are not supported: write the hosts out, as in mongodb://host1:27017,host2:27017/?replicaSet=rs0",
            ));
        }
        if text.starts_with("mongodb://") {
            return MongoUri::parse(text).map(Self::Mongo);
        }
        Err(bad(
            "a store's address begins with file: or mongodb://, as in file:./data/leads.db or mongodb://localhost:27017/leadline",
        ))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "file:{}", path.display()),
            Self::Mongo(uri) => uri.fmt(out),
        }
    }
}

fn bad(message: &str) -> StorageError {
    StorageError::BadUrl(message.to_owned())
}

fn sqlite_path(path: &str) -> Result<PathBuf, StorageError> {
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => {
            return Err(bad(
                "a file address names no host: write file:./data/leads.db or file:///var/lib/leadline/leads.db",
            ));
        }
        None => path,
    };
    if path.is_empty() || path.ends_with('/') {
        return Err(bad("a file address names the file, as in file:./data/leads.db"));
    }
    if path.starts_with(':') || path.contains(['?', '\0']) {
        return Err(bad("a file address is a plain path without options, as in file:./data/leads.db"));
    }
    Ok(PathBuf::from(path))
}

/// A MongoDB address. It may hold a password: `Debug` and `Display` show hosts and path only.
#[derive(Clone, PartialEq, Eq)]
pub struct MongoUri(String);

impl MongoUri {
    /// Parses the address as the driver does.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`]; the line never repeats user name or password.
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        crate::mongo::parse(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The whole address, password included, for the driver only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MongoUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&crate::mongo::shown(&self.0))
    }
}

impl fmt::Debug for MongoUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MongoUri({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_address_is_a_path() {
        for (text, path) in [
            ("file:./data/leads.db", "./data/leads.db"),
            ("file:/srv/leads.db", "/srv/leads.db"),
            ("file:///srv/leads.db", "/srv/leads.db"),
        ] {
            assert_eq!(StoreUrl::parse(text), Ok(StoreUrl::Sqlite(PathBuf::from(path))));
        }
    }

    #[test]
    fn addresses_that_mean_nothing_are_refused_in_one_line() {
        for text in [
            "",
            "leads.db",
            "file:",
            "file:./data/",
            "file::memory:",
            "file://host/leads.db",
            "file:a.db?mode=ro",
            "postgres://h/x",
            "mongodb+srv://u:hunter2@h/x",
            "mongodb://",
            "mongodb://u:hunter2@:bad:port/x",
            "mongodb://u:hun@ter2@h/x",
            "mongodb://u:hunter2@h/?tls=perhaps",
        ] {
            let error = StoreUrl::parse(text).expect_err(text);
            let line = error.to_string();
            assert!(matches!(error, StorageError::BadUrl(_)), "{text}");
            assert!(!line.contains('\n') && !line.contains("hunter2") && !line.contains("ter2"), "{line}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url =
            StoreUrl::parse("mongodb://anna:hunter2@h1:27017,h2:27018/acme?authSource=admin&replicaSet=rs0")
                .expect("a good address");
        assert_eq!(url.to_string(), "mongodb://***@h1:27017,h2:27018/acme");
        assert!(!format!("{url:?}").contains("hunter2"));
        assert!(!format!("{url:?}").contains("anna"));
    }
}
