//! Which column of a file is which field.

use std::collections::HashMap;

use super::Column;
use crate::search::normalise;

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The whole name.
    Name,
    /// The given name.
    FirstName,
    /// The family name.
    LastName,
    /// The address.
    Email,
    /// The phone.
    Phone,
    /// The company.
    Company,
    /// The source's word.
    Source,
    /// The stage's word.
    Status,
    /// Tags, separated by `;`.
    Tags,
    /// A member's name or address.
    Owner,
    /// When the lead was made.
    CreatedAt,
    /// When the lead entered its stage.
    StatusChangedAt,
    /// A note, or several as an export writes them.
    Note,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Name,
        Self::FirstName,
        Self::LastName,
        Self::Email,
        Self::Phone,
        Self::Company,
        Self::Source,
        Self::Status,
        Self::Tags,
        Self::Owner,
        Self::CreatedAt,
        Self::StatusChangedAt,
        Self::Note,
    ];

    /// As a mapping names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::FirstName => "firstName",
            Self::LastName => "lastName",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Company => "company",
            Self::Source => "source",
            Self::Status => "status",
            Self::Tags => "tags",
            Self::Owner => "owner",
            Self::CreatedAt => "createdAt",
            Self::StatusChangedAt => "statusChangedAt",
            Self::Note => "note",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The one that a header means, by its words in several languages.
    #[must_use]
    pub fn recognise(header: &str) -> Option<Self> {
        let key: String = normalise(header).chars().filter(|c| c.is_alphanumeric()).collect();
        let means = |words: &str| words.split_whitespace().any(|word| word == key);
        WORDS.iter().find(|(_, words)| means(words)).map(|(field, _)| *field)
    }
}

/// What headers say, without case, accents, blanks and punctuation: English, German, French, Spanish, Italian.
const WORDS: [(Field, &str); 13] = [
    (
        Field::Name,
        "name fullname contact contactname leadname lead person customer customername client clientname \
         displayname vollername vollstandigername kontakt kontaktname kunde kundenname ansprechpartner \
         nomcomplet nometprenom nomprenom prenomnom contactclient nombrecompleto nombreyapellidos \
         nombreyapellido contacto cliente nomecompleto nominativo contatto nomeecognome",
    ),
    (
        Field::FirstName,
        "firstname givenname forename first vorname prenom nombre nombredepila primernombre nome",
    ),
    (
        Field::LastName,
        "lastname surname familyname last nachname familienname zuname nom nomdefamille apellido \
         apellidos cognome",
    ),
    (
        Field::Email,
        "email mail emailaddress mailaddress emailid email1 email1value primaryemail workemail \
         contactemail emailadresse mailadresse adressemail adresseemail adresseelectronique courriel \
         correo correoelectronico direccionemail postaelettronica indirizzoemail",
    ),
    (
        Field::Phone,
        "phone phonenumber phoneno telephone telephonenumber tel telno mobile mobilephone mobilenumber \
         cell cellphone cellphonenumber phone1 phone1value workphone businessphone contactnumber \
         contactphone telefon telefonnummer telefonnr handy handynummer mobil mobilnummer rufnummer \
         mobiltelefon numerodetelephone portable telephoneportable telefono numerodetelefono movil \
         celular telefonomovil cellulare numeroditelefono",
    ),
    (
        Field::Company,
        "company companyname organisation organization organisationname organizationname org account \
         accountname firm business businessname employer firma firmenname unternehmen gesellschaft \
         societe entreprise nomdelentreprise empresa compania nombredelaempresa organizacion azienda \
         societa impresa ditta",
    ),
    (
        Field::Source,
        "source leadsource origin channel leadorigin originalsource quelle herkunft leadquelle kanal \
         origine provenance canal fuente origen fonte provenienza",
    ),
    (
        Field::Status,
        "status stage leadstatus leadstage pipelinestage dealstage phase stufe statut etape estado etapa \
         fase stato",
    ),
    (
        Field::Tags,
        "tags tag labels label keywords schlagworte schlagworter etiketten stichworte etiquettes \
         motscles etiquetas etichette",
    ),
    (
        Field::Owner,
        "owner leadowner assignee assignedto salesrep accountowner contactowner besitzer inhaber \
         zustandig zustandigkeit bearbeiter proprietaire responsable propietario asignadoa proprietario \
         responsabile assegnatoa",
    ),
    (
        Field::CreatedAt,
        "createdat created createdate createddate createdon datecreated dateadded addedon creationdate \
         createtime createdtime erstelltam erstellt angelegtam erstellungsdatum datedecreation creele \
         dateajout datedajout fechadecreacion creadoel creado datadicreazione datacreazione creatoil",
    ),
    (
        Field::StatusChangedAt,
        "statuschangedat statuschanged statuschangedate statuschangeddate statuschangedon datestatuschanged \
         laststatuschange laststatuschangedate stagechangedat stagechanged stagechangedate stagechangeddate \
         stagechangedon datestagechanged laststagechange laststagechangedate datestageentered \
         dateenteredstage dateenteredcurrentstage statusgeandertam phasegeandertam stufegeandertam \
         statutmodifiele etapemodifieele datechangementstatut datechangementetape \
         estadocambiadoel etapacambiadael fechacambioestado fechacambioetapa fechacambiodeestado \
         fechacambiodeetapa statomodificatoil fasemodificatail datacambiostato datacambiofase",
    ),
    (
        Field::Note,
        "note notes comment comments remark remarks description memo notiz notizen bemerkung bemerkungen \
         kommentar kommentare anmerkung anmerkungen remarque remarques commentaire commentaires nota \
         notas comentario comentarios observaciones commento commenti osservazioni",
    ),
];

/// What is wrong with a header or a mapping. The texts are for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Of the file.
    pub file: Option<String>,
    /// Of the mapping.
    pub mapping: Option<String>,
}

fn key(header: &str) -> String {
    header.trim().to_lowercase()
}

/// Names a header in a sentence.
fn shown(header: &str) -> String {
    let short: String = header.trim().chars().take(60).collect();
    format!("\u{201c}{short}\u{201d}")
}

/// Which column is which field: what is mapped (an empty field: the column is passed over), and what is recognised. Of several
/// columns that are recognised as one field the first is it.
///
/// # Errors
/// [`Faults`] for a mapping of what is not there, of two columns to one field, and for a table without names.
pub fn columns(headers: &[String], mapping: &[(String, String)]) -> Result<Vec<Column>, Faults> {
    let (mut columns, mut wrong) = (vec![None; headers.len()], Vec::new());
    let mut taken: HashMap<Field, String> = HashMap::new();
    let mut mapped = vec![false; headers.len()];
    for (header, field) in mapping {
        let Some(place) = headers.iter().position(|own| key(own) == key(header)) else {
            wrong.push(format!("the file has no column {}", shown(header)));
            continue;
        };
        if std::mem::replace(&mut mapped[place], true) {
            wrong.push(format!("the column {} is mapped twice", shown(header)));
            continue;
        }
        if field.is_empty() {
            continue;
        }
        let Some(field) = Field::parse(field) else {
            let all = Field::ALL.map(Field::name).join(", ");
            wrong.push(format!("the column {} must be mapped to one of {all}, or to nothing", shown(header)));
            continue;
        };
        match taken.get(&field) {
            Some(other) => {
                let (one, other) = (shown(other), shown(header));
                wrong.push(format!("the columns {one} and {other} are both mapped to {}", field.name()));
            }
            None => {
                taken.insert(field, header.clone());
                columns[place] = Some(field);
            }
        }
    }
    for (place, header) in headers.iter().enumerate() {
        if !mapped[place]
            && let Some(field) = Field::recognise(header)
            && !taken.contains_key(&field)
        {
            taken.insert(field, header.clone());
            columns[place] = Some(field);
        }
    }
    let named =
        [Field::Name, Field::FirstName, Field::LastName].iter().any(|field| taken.contains_key(field));
    let faults = Faults {
        file: (!named && wrong.is_empty()).then(|| {
            "has no column for a name: its first row must name the columns, such as Name, Email, Phone; or map a column \
             to name"
                .to_owned()
        }),
        mapping: (!wrong.is_empty()).then(|| wrong.join("; ")),
    };
    if faults != Faults::default() {
        return Err(faults);
    }
    let column = |(header, field): (&String, Option<Field>)| Column { header: header.clone(), field };
    Ok(headers.iter().zip(columns).map(column).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn fields(headers: &[&str], mapping: &[(&str, &str)]) -> Result<Vec<Option<Field>>, Faults> {
        let mapping: Vec<_> = mapping.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let columns = columns(&texts(headers), &mapping)?;
        Ok(columns.into_iter().map(|column| column.field).collect())
    }

    #[test]
    fn an_export_is_recognised_column_by_column() {
        let own = [
            "Id",
            "Name",
            "Email",
            "Phone",
            "Company",
            "Source",
            "Status",
            "Tags",
            "Owner",
            "Created at",
            "Updated at",
            "Status changed at",
            "Next follow-up",
            "Notes",
        ];
        let found = fields(&own, &[]).unwrap();
        use Field as F;
        assert_eq!(
            found,
            [
                None,
                Some(F::Name),
                Some(F::Email),
                Some(F::Phone),
                Some(F::Company),
                Some(F::Source),
                Some(F::Status),
                Some(F::Tags),
                Some(F::Owner),
                Some(F::CreatedAt),
                None,
                Some(F::StatusChangedAt),
                None,
                Some(F::Note)
            ]
        );
    }

    #[test]
    fn headers_are_recognised_in_several_languages_however_they_are_typed() {
        for (header, field) in [
            ("FULL  NAME", Field::Name),
            ("Contact", Field::Name),
            ("e-mail", Field::Email),
            ("E-Mail-Adresse", Field::Email),
            ("Téléphone", Field::Phone),
            ("Mobile", Field::Phone),
            ("cell", Field::Phone),
            ("Organisation", Field::Company),
            ("Société", Field::Company),
            ("lead_source", Field::Source),
            ("Stage", Field::Status),
            ("Étape", Field::Status),
            ("Labels", Field::Tags),
            ("Date added", Field::CreatedAt),
            ("Erstellt am", Field::CreatedAt),
            ("Date stage changed", Field::StatusChangedAt),
            ("Status geändert am", Field::StatusChangedAt),
            ("Comments", Field::Note),
            ("Vorname", Field::FirstName),
            ("Apellidos", Field::LastName),
            ("Zuständig", Field::Owner),
        ] {
            assert_eq!(Field::recognise(header), Some(field), "{header}");
        }
        for foreign in ["Id", "Updated at", "Zip", "", "Next follow-up"] {
            assert_eq!(Field::recognise(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn no_word_stands_for_two_fields_and_each_is_as_it_is_compared() {
        let mut seen = HashMap::new();
        for (field, words) in WORDS {
            for word in words.split_whitespace() {
                assert_eq!(seen.insert(word, field), None, "{word}");
                let plain: String = normalise(word).chars().filter(|c| c.is_alphanumeric()).collect();
                assert_eq!(plain, word);
            }
        }
        for field in Field::ALL {
            assert_eq!(Field::parse(field.name()), Some(field));
        }
    }

    #[test]
    fn a_mapping_wins_over_what_is_recognised() {
        let found = fields(
            &["Name", "Phone", "Mobile"],
            &[(" mobile ", "phone"), ("name", "company"), ("Phone", "")],
        );
        assert!(found.is_err_and(|faults| faults.file.is_some()));
        let found =
            fields(&["Name", "Alias", "Phone", "Mobile"], &[("MOBILE", "phone"), ("alias", "name")]).unwrap();
        assert_eq!(found, [None, Some(Field::Name), None, Some(Field::Phone)]);
    }

    #[test]
    fn everything_that_is_wrong_with_a_mapping_is_told_at_once() {
        let faults =
            fields(&["a", "b", "c"], &[("a", "name"), ("b", "name"), ("x", "email"), ("c", "shoe size")])
                .unwrap_err();
        let told = faults.mapping.unwrap();
        for part in ["both mapped to name", "no column \u{201c}x\u{201d}", "one of name, firstName"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(fields(&["a", "Email"], &[]).unwrap_err().file.is_some());
        assert!(fields(&["Vorname"], &[]).is_ok());
    }
}
