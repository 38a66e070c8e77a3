//! What to do with a file: read from the query or from the fields of a form, by the same names.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use leadline_proto::{leads as proto, types::FieldViolation};
use leadline_runtime::zone::Zone;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::import::OnDuplicate;
use crate::{body, problem::Problem, query::Query};

/// The most faults that are told.
const MOST_FAULTS: usize = 20;
/// An unknown field's name is told up to this many characters.
const LONGEST_NAME: usize = 40;
/// How much of a file's name is kept, in characters.
const LONGEST_FILE_NAME: usize = 255;

/// The names of a form's options. The file's own name comes with the file.
const IN_FORM: [&str; 4] = ["mapping", "onDuplicate", "dryRun", "tz"];
const IN_QUERY: [&str; 5] = ["mapping", "onDuplicate", "dryRun", "tz", "fileName"];

/// What to do with a file that is the body.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct ImportQuery {
    /// A JSON object from header to field: `name`, `firstName`, `lastName`, `email`, `phone`, `company`, `source`, `status`, `tags`,
    /// `owner`, `createdAt`, `statusChangedAt` or `note`; `null` or an empty text passes the column over. What is not named is
    /// recognised by its header.
    #[param(example = "{\"Kunde\":\"name\",\"Intern\":null}")]
    mapping: Option<String>,
    /// What is done with a row that is the same, by address or phone, as a lead that is there; `skip` if absent.
    on_duplicate: Option<OnDuplicate>,
    /// Only tell what would happen.
    #[param(default = false)]
    dry_run: Option<bool>,
    /// IANA zone of times in the file that have none of their own; the workspace's if absent.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
    /// What the file is called, for show.
    #[param(max_length = 255)]
    file_name: Option<String>,
}

/// A file and what to do with it. The fields may come in any order.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct ImportForm {
    /// The CSV or XLSX, of at most 100 MiB.
    #[schema(format = "binary")]
    file: String,
    /// A JSON object from header to field: `name`, `firstName`, `lastName`, `email`, `phone`, `company`, `source`, `status`, `tags`,
    /// `owner`, `createdAt`, `statusChangedAt` or `note`; `null` or an empty text passes the column over. What is not named is
    /// recognised by its header.
    #[schema(nullable = false, max_length = 65536, example = "{\"Kunde\":\"name\",\"Intern\":null}")]
    mapping: Option<String>,
    /// What is done with a row that is the same, by address or phone, as a lead that is there; `skip` if absent.
    #[schema(nullable = false)]
    on_duplicate: Option<OnDuplicate>,
    /// Only tell what would happen.
    #[schema(nullable = false, default = false)]
    dry_run: Option<bool>,
    /// IANA zone of times in the file that have none of their own; the workspace's if absent.
    #[schema(nullable = false, example = "Europe/Berlin")]
    tz: Option<String>,
}

/// The options as far as they are read.
#[derive(Debug, Default)]
pub(super) struct Options {
    message: proto::ImportOptions,
    /// The texts as they were given: what an idempotency key is compared by.
    given: BTreeMap<String, String>,
    keyed: bool,
}

impl Options {
    /// Those of a form, to be read from it. `keyed`: an idempotency key came with it.
    pub(super) fn of_form(keyed: bool) -> Self {
        Self { keyed, ..Self::default() }
    }

    /// Those of a query.
    ///
    /// # Errors
    /// 400 with every parameter that can't be accepted.
    pub(super) fn of_query(mut query: Query, keyed: bool) -> Result<Self, Problem> {
        let mut options = Self::of_form(keyed);
        for name in IN_QUERY {
            query.parsed(name, |text| options.read(name, text));
        }
        query.finish()?;
        Ok(options)
    }

    /// A field of a form, or one that can't be read.
    pub(super) fn field(&mut self, name: &str, text: Option<&str>) {
        let read = match text {
            _ if !IN_FORM.contains(&name) => Err("is not a field of this request".to_owned()),
            _ if self.given.contains_key(name) => Err("can be given only once".to_owned()),
            None => Err("must be text in UTF-8 of at most 64 KiB".to_owned()),
            Some(text) => self.read(name, text),
        };
        if let Err(message) = read {
            self.fault(name, message);
        }
    }

    /// The name that came with the file.
    pub(super) fn name_file(&mut self, name: &str) {
        self.given.insert("fileName".to_owned(), name.to_owned());
        self.message.file_name = name.chars().take(LONGEST_FILE_NAME).collect();
    }

    /// Notes that something can't be accepted.
    pub(super) fn fault(&mut self, field: &str, message: impl Into<String>) {
        if self.message.faults.len() < MOST_FAULTS {
            let field = match field.chars().take(LONGEST_NAME).collect::<String>() {
                none if none.is_empty() => "form".to_owned(),
                field => field,
            };
            self.message.faults.push(FieldViolation { field, message: message.into() });
        }
    }

    fn read(&mut self, name: &str, text: &str) -> Result<(), String> {
        self.given.insert(name.to_owned(), text.to_owned());
        match name {
            "mapping" => self.message.mapping = mapping(text)?,
            "onDuplicate" => {
                let word = OnDuplicate::parse(text)
                    .ok_or_else(|| format!("must be one of {}", OnDuplicate::ALLOWED))?;
                self.message.on_duplicate = word.to_proto().into();
            }
            "dryRun" => {
                self.message.dry_run = match text {
                    "true" => true,
                    "false" => false,
                    _ => return Err("must be one of true, false".to_owned()),
                }
            }
            "tz" => {
                let zone = Zone::parse(text).map_err(|error| error.to_string())?;
                self.message.tz = zone.name().to_owned();
            }
            _ => self.name_file(text),
        }
        Ok(())
    }

    /// All of them, for a file with this hash.
    pub(super) fn finish(self, file: &[u8]) -> proto::ImportOptions {
        let mut message = self.message;
        if self.keyed {
            let mut hash = Sha256::new();
            for text in self.given.iter().flat_map(|(name, text)| [name, text]) {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
            hash.update(file);
            message.body_fingerprint = STANDARD.encode(hash.finalize());
        }
        message
    }
}

pub(crate) fn mapping(text: &str) -> Result<Vec<proto::ColumnMapping>, String> {
    let refuse = || "must be a JSON object from header to field, each header once".to_owned();
    let Ok(Value::Object(members)) = body::parse(text.as_bytes()) else { return Err(refuse()) };
    let columns = members.into_iter().map(|(header, field)| match field {
        Value::String(field) => Ok(proto::ColumnMapping { header, field }),
        Value::Null => Ok(proto::ColumnMapping { header, field: String::new() }),
        _ => Err(refuse()),
    });
    columns.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(options: Options) -> Vec<String> {
        options.finish(b"").faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_form_s_options_are_read_in_any_order_and_all_that_is_wrong_is_told() {
        let mut options = Options::of_form(false);
        options.field("dryRun", Some("true"));
        options.field("mapping", Some("{\"Kunde\": \"name\", \"Intern\": null}"));
        options.field("tz", Some("Europe/Berlin"));
        options.field("onDuplicate", Some("update"));
        options.name_file("leads.csv");
        let read = options.finish(b"");
        assert_eq!(
            (read.dry_run, read.tz.as_str(), read.file_name.as_str()),
            (true, "Europe/Berlin", "leads.csv")
        );
        assert_eq!(read.on_duplicate(), proto::OnDuplicate::Update);
        let columns: Vec<_> =
            read.mapping.iter().map(|one| (one.header.as_str(), one.field.as_str())).collect();
        assert_eq!(columns, [("Intern", ""), ("Kunde", "name")]);
        assert!(read.faults.is_empty() && read.body_fingerprint.is_empty());

        let mut options = Options::of_form(false);
        for (name, text) in
            [("dryRun", "yes"), ("mapping", "[]"), ("tz", "Mars"), ("onDuplicate", "merge"), ("x", "1")]
        {
            options.field(name, Some(text));
        }
        options.field("tz", Some("UTC"));
        options.field("", None);
        assert_eq!(faults(options), ["dryRun", "mapping", "tz", "onDuplicate", "x", "tz", "form"]);
    }

    #[test]
    fn a_mapping_is_an_object_of_texts_in_which_no_header_stands_twice() {
        for bad in
            ["", "null", "[]", "{\"a\": 1}", "{\"a\": {}}", "{\"a\": \"name\", \"a\": \"email\"}", "{a: 1}"]
        {
            assert!(mapping(bad).is_err(), "{bad}");
        }
        assert_eq!(mapping("{}"), Ok(vec![]));
    }

    #[test]
    fn bad_and_unknown_parameters_are_told_together() {
        let query = Query::parse("onDuplicate=no&dryRun=1&tz=Mars&mapping=x&file=1&onDuplicate=skip");
        assert!(Options::of_query(query, false).is_err());
        let query = Query::parse("onDuplicate=create&dryRun=true&mapping=%7B%7D&fileName=a.csv");
        let read = Options::of_query(query, false).unwrap().finish(b"");
        assert_eq!((read.on_duplicate(), read.file_name.as_str()), (proto::OnDuplicate::Create, "a.csv"));
    }

    #[test]
    fn a_key_is_compared_by_options_and_file_in_whatever_order_they_came() {
        let print = |fields: &[(&str, &str)], file: &[u8]| {
            let mut options = Options::of_form(true);
            fields.iter().for_each(|(name, text)| options.field(name, Some(text)));
            options.finish(file).body_fingerprint
        };
        let one = print(&[("tz", "UTC"), ("dryRun", "true")], b"f");
        assert_eq!(one, print(&[("dryRun", "true"), ("tz", "UTC")], b"f"));
        assert_ne!(one, print(&[("tz", "UTC"), ("dryRun", "true")], b"g"));
        assert_ne!(one, print(&[("tz", "UTC"), ("dryRun", "false")], b"f"));
        assert_ne!(one, print(&[("tz", "UTC")], b"f"));
    }
}
