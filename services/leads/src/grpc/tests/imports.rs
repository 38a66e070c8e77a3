//! Files of leads come in, and are taken back.

use std::time::Duration;

use leadline_bus::Heard;
use leadline_proto::{
    events::event::Body,
    leads::{self as proto, start_import_request::Part},
};
use leadline_runtime::{caller::Role, ids::WorkspaceId, once, refusal::Refusal};

use super::house::{House, Person, answer, bad_fields};

fn parts(options: Option<proto::ImportOptions>, file: &[u8], size: usize) -> Vec<proto::StartImportRequest> {
    let piece = |piece: &[u8]| proto::StartImportRequest { part: Some(Part::Chunk(piece.to_vec())) };
    let mut parts: Vec<_> = file.chunks(size).map(piece).collect();
    parts.extend(options.map(|options| proto::StartImportRequest { part: Some(Part::Options(options)) }));
    parts
}

impl Person {
    async fn import(&mut self, options: proto::ImportOptions, file: &[u8]) -> Result<proto::Import, Refusal> {
        let stream = futures::stream::iter(parts(Some(options), file, 1000));
        let request = self.ask(stream);
        answer(self.imports.start_import(request).await)
    }

    async fn get_import(&mut self, id: &str) -> Result<proto::Import, Refusal> {
        let request = self.ask(proto::GetImportRequest { id: id.to_owned() });
        answer(self.imports.get_import(request).await)
    }

    /// The import at its end.
    async fn ended(&mut self, id: &str) -> anyhow::Result<proto::Import> {
        for _ in 0..1_000 {
            let import = self.get_import(id).await?;
            if matches!(
                import.state(),
                proto::ImportState::Done | proto::ImportState::Failed | proto::ImportState::Undone
            ) {
                return Ok(import);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("the import does not end")
    }

    async fn imported(
        &mut self,
        options: proto::ImportOptions,
        file: &[u8],
    ) -> anyhow::Result<proto::Import> {
        let import = self.import(options, file).await?;
        self.ended(&import.id).await
    }

    async fn undo(&mut self, id: &str) -> Result<proto::Import, Refusal> {
        let request = self.ask(proto::UndoImportRequest { id: id.to_owned() });
        answer(self.imports.undo_import(request).await)
    }

    async fn errors(&mut self, id: &str) -> anyhow::Result<String> {
        let request = self.ask(proto::StreamImportErrorsRequest { id: id.to_owned() });
        let mut stream = self.imports.stream_import_errors(request).await?.into_inner();
        let mut csv = Vec::new();
        while let Some(part) = stream.message().await? {
            anyhow::ensure!(part.csv.len() <= 1024 * 1024, "a message of {} bytes", part.csv.len());
            csv.extend(part.csv);
        }
        Ok(String::from_utf8(csv)?)
    }

    async fn names(&mut self) -> Result<Vec<String>, Refusal> {
        let mut names: Vec<String> =
            self.list(proto::LeadFilter::default()).await?.leads.into_iter().map(|lead| lead.name).collect();
        names.sort();
        Ok(names)
    }
}

fn counts(import: &proto::Import) -> (u64, u64, u64, u64) {
    (import.created, import.updated, import.skipped, import.failed)
}

fn choice(choice: proto::OnDuplicate) -> proto::ImportOptions {
    proto::ImportOptions { on_duplicate: choice.into(), ..proto::ImportOptions::default() }
}

#[tokio::test]
async fn good_rows_are_taken_and_bad_ones_come_back_with_line_and_reasons() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut heard = house.bus.listen(&["import.progress"], 64);
    let file = "Full Name;E-mail;Mobile;Stage;Labels;Created\r\n\
        Ada;ada@x.test;+44 20 7946 0958;qualified;vip; \r\n\
        \r\n\
        =bad;nobody;;Sold;;2999-01-01\r\n\
        ;;;;;\r\n\
        \"Zoë\r\nO'Neil\";;;;;\r\n\
        Bob;;;;\"a; b\";2020-05-01\r\n";
    let import = anna.imported(proto::ImportOptions::default(), file.as_bytes()).await?;
    assert_eq!(counts(&import), (2, 0, 0, 2));
    assert_eq!((import.rows, import.total_rows, import.state()), (4, Some(4), proto::ImportState::Done));
    assert_eq!(anna.names().await?, ["Ada", "Bob"]);
    let leads = anna.list(proto::LeadFilter::default()).await?.leads;
    let ada = leads.iter().find(|lead| lead.name == "Ada").unwrap();
    assert_eq!(
        (ada.status(), ada.tags.as_slice()),
        (proto::Status::Qualified, ["vip".to_owned()].as_slice())
    );
    assert_eq!(ada.created_by, anna.user.to_string());
    let bob = leads.iter().find(|lead| lead.name == "Bob").unwrap();
    // Midnight by the workspace's clock.
    assert_eq!(bob.created_at_ms, 1_588_284_000_000);
    assert_eq!(bob.tags, ["a", "b"]);
    let errors = anna.errors(&import.id).await?;
    assert!(
        errors.starts_with("\u{feff}Full Name,E-mail,Mobile,Stage,Labels,Created,Line,Reason\r\n"),
        "{errors}"
    );
    assert!(errors.contains("'=bad,nobody,,Sold,,2999-01-01,4,\"email must be"), "{errors}");
    assert!(errors.contains(",6,\"name must not contain control"), "{errors}");
    // What came back is mended and sent again.
    let mended = errors.replace("nobody", "bad@x.test").replace("Sold", "Lost").replace("2999", "2019");
    let again = anna.imported(proto::ImportOptions::default(), mended.as_bytes()).await?;
    assert_eq!(counts(&again), (1, 0, 0, 1));
    assert_eq!(anna.names().await?, ["=bad", "Ada", "Bob"]);
    let mut last = None;
    while let Ok(Some(Heard::Event(event))) =
        tokio::time::timeout(Duration::from_millis(500), heard.recv()).await
    {
        if let Some(Body::ImportProgress(progress)) = &event.body {
            last = progress.import.clone();
        }
    }
    assert_eq!(last.map(|import| import.state()), Some(proto::ImportState::Done));
    house.end().await
}

#[tokio::test]
async fn failed_rows_that_are_wide_come_back_in_small_messages() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut file = "Name,Email,One,Two,Three,Four,Five,Six,Seven,Eight\n".to_owned();
    let wide = format!(",{}", "y\"\"".repeat(33_000));
    for nth in 0..20 {
        file.push_str(&format!("Bad {nth},nobody{}\n", format!(",\"{}\"", &wide[1..]).repeat(8)));
    }
    let import = anna.imported(proto::ImportOptions::default(), file.as_bytes()).await?;
    assert_eq!(counts(&import), (0, 0, 0, 20));
    let errors = anna.errors(&import.id).await?;
    assert_eq!(errors.matches("Bad ").count(), 20);
    assert!(errors.len() > file.len());
    house.end().await
}

#[tokio::test]
async fn cells_that_are_no_phones_are_defused_in_what_comes_back() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let file = b"Name,Phone,Email,Code\n+44 20,+44 20 7946 0958,nobody,-1+1\n+1,+1+1,nobody,1\n";
    let import = anna.imported(proto::ImportOptions::default(), file).await?;
    assert_eq!(counts(&import), (0, 0, 0, 2));
    let errors = anna.errors(&import.id).await?;
    assert!(errors.contains("\r\n'+44 20,+44 20 7946 0958,nobody,'-1+1,2,"), "{errors}");
    assert!(errors.contains("\r\n'+1,'+1+1,nobody,1,3,"), "{errors}");
    house.end().await
}

#[tokio::test]
async fn more_bad_rows_than_are_kept_stop_no_good_one() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut file = "Name,Email\n".to_owned();
    (0..100_003).for_each(|_| file.push_str("B,x\n"));
    file.push_str("Ada,ada@x.test\n");
    let started = anna.import(proto::ImportOptions::default(), file.as_bytes()).await?;
    let mut import = anna.ended(&started.id).await;
    for _ in 0..9 {
        if import.is_err() {
            import = anna.ended(&started.id).await;
        }
    }
    let import = import?;
    assert_eq!((import.state(), counts(&import)), (proto::ImportState::Done, (1, 0, 0, 100_003)));
    let errors = anna.errors(&import.id).await?;
    assert_eq!(errors.matches("\r\nB,x,").count(), 100_000);
    assert!(errors.trim_end().ends_with(",,,\"3 more rows could not be taken, and there was no room to keep them: mend the file and send it again\""), "{}", &errors[errors.len() - 300..]);
    house.end().await
}

#[tokio::test]
async fn a_lead_with_long_notes_comes_in_and_a_row_that_is_too_long_can_be_mended() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let me = anna.user;
    let note = |nth: usize| format!("2025-12-01 09:{nth:02} Person {me}: {nth} {}", "x".repeat(9_990));
    let notes: Vec<String> = (0..50).rev().map(note).collect();
    let file = format!(
        "Name,Notes\nAda,\"{}\"\nBob,\"{}\"\nCid,\n",
        notes.join("\n\n"),
        "lost a quotation mark\n".repeat(60_000)
    );
    let import = anna.imported(proto::ImportOptions::default(), file.as_bytes()).await?;
    assert_eq!(counts(&import), (2, 0, 0, 1));
    let ada =
        anna.list(proto::LeadFilter { q: "ada".to_owned(), ..Default::default() }).await?.leads.remove(0);
    assert_eq!(ada.note_count, 50);
    let errors = anna.errors(&import.id).await?;
    assert!(errors.contains("\r\nBob,\"lost a quotation mark\n"), "{}", &errors[..200]);
    assert!(errors.contains("only the beginning stands here"));
    let again = anna.imported(proto::ImportOptions::default(), errors.as_bytes()).await?;
    assert_eq!(counts(&again).3, 1);
    house.end().await
}

#[tokio::test]
async fn a_list_of_imports_is_small_and_columns_have_short_names() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let file = format!("Name,{}\nAda,x\n", "x".repeat(201));
    let refused = anna.import(proto::ImportOptions::default(), file.as_bytes()).await;
    assert_eq!(bad_fields(refused), ["file"]);
    let import = anna.imported(proto::ImportOptions::default(), b"Name,Shoe size\nAda,40\n").await?;
    assert_eq!(anna.get_import(&import.id).await?.columns.len(), 2);
    let request = anna.ask(proto::ListImportsRequest::default());
    let listed = anna.imports.list_imports(request).await?.into_inner().imports;
    assert_eq!((listed.len(), listed[0].columns.len()), (1, 0));
    house.end().await
}

#[tokio::test]
async fn a_row_that_is_there_is_skipped_updated_or_made_again() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let first =
        b"name,email,phone,company\nAda,ada@x.test,123456,Acme\nAda again,ADA@x.test,,\nBob,,12 34 56,";
    let import = anna.imported(proto::ImportOptions::default(), first).await?;
    assert_eq!(counts(&import), (1, 0, 2, 0));
    let second =
        b"name,email,phone,company\nAda L.,ada@x.test,,\nAda L.,ada@x.test,,Acme\n,ada@x.test,,Babbage";
    let import = anna.imported(choice(proto::OnDuplicate::Update), second).await?;
    assert_eq!(counts(&import), (0, 2, 1, 0));
    let lead = anna.list(proto::LeadFilter::default()).await?.leads.remove(0);
    assert_eq!((lead.name.as_str(), lead.company.as_deref(), lead.version), ("Ada L.", Some("Babbage"), 3));
    assert_eq!(lead.phone.as_deref(), Some("123456"));
    let import = anna.imported(choice(proto::OnDuplicate::Create), second).await?;
    assert_eq!(counts(&import), (2, 0, 0, 1));
    house.end().await
}

#[tokio::test]
async fn a_dry_run_tells_what_would_happen_and_does_nothing() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    anna.imported(proto::ImportOptions::default(), b"name,email\nAda,ada@x.test").await?;
    let mut file = "name,email\nAda B,ada@x.test\nBob,nobody\n".to_owned();
    for nth in 0..600 {
        file.push_str(&format!("Cid,c{}@x.test\n", nth % 300));
    }
    let options = proto::ImportOptions { dry_run: true, ..choice(proto::OnDuplicate::Skip) };
    let import = anna.imported(options, file.as_bytes()).await?;
    assert_eq!(counts(&import), (300, 0, 301, 1));
    assert_eq!(anna.names().await?, ["Ada"]);
    assert_eq!(import.preview.len(), 20);
    let told: Vec<_> = import.preview.iter().take(3).map(|row| (row.line, row.outcome())).collect();
    use proto::RowOutcome::{Created, Failed, Skipped};
    assert_eq!(told, [(2, Skipped), (3, Failed), (4, Created)]);
    assert_eq!(import.preview[0].reason, "the same email as Ada");
    assert!(matches!(anna.undo(&import.id).await, Err(Refusal::Conflict { .. })));
    house.end().await
}

#[tokio::test]
async fn an_import_is_taken_back_but_for_leads_that_were_edited_since() -> anyhow::Result<()> {
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut anna = house.person(workspace, Role::Member).await?;
    let mut ben = house.person(workspace, Role::Member).await?;
    anna.imported(
        proto::ImportOptions::default(),
        b"name,email,status\nAda,ada@x.test,New\nEve,eve@x.test,Lost",
    )
    .await?;
    let file = b"name,email,status,note\nAda L,ada@x.test,Converted,met\nBob,bob@x.test,,\nCid,cid@x.test,,\nCid B,cid@x.test,,";
    let import = anna.imported(choice(proto::OnDuplicate::Update), file).await?;
    assert_eq!(counts(&import), (2, 2, 0, 0));
    assert!(matches!(ben.undo(&import.id).await, Err(Refusal::Forbidden(_))));
    let bob = anna
        .list(proto::LeadFilter { q: "bob".to_owned(), ..proto::LeadFilter::default() })
        .await?
        .leads
        .remove(0);
    let request = ben.ask(proto::AddNoteRequest {
        lead_id: bob.id.clone(),
        text: Some("called".to_owned()),
        ..proto::AddNoteRequest::default()
    });
    ben.client.add_note(request).await?;
    let keyed = async |anna: &mut Person, key: &str| {
        let mut request = anna.ask(proto::UndoImportRequest { id: import.id.clone() });
        once::attach(&mut request, key, "/api/v1/leads/imports/x/undo", b"");
        answer(anna.imports.undo_import(request).await)
    };
    assert_eq!(keyed(&mut anna, "key-1").await?.state(), proto::ImportState::Undoing);
    assert_eq!(keyed(&mut anna, "key-1").await?.id, import.id);
    let undone = anna.ended(&import.id).await?;
    assert_eq!((undone.state(), undone.taken_back, undone.kept), (proto::ImportState::Undone, 2, 1));
    assert_eq!(anna.names().await?, ["Ada", "Bob", "Eve"]);
    let ada = anna
        .list(proto::LeadFilter { q: "ada".to_owned(), ..proto::LeadFilter::default() })
        .await?
        .leads
        .remove(0);
    assert_eq!((ada.status(), ada.note_count), (proto::Status::New, 0));
    assert_eq!(keyed(&mut anna, "key-1").await?.state(), proto::ImportState::Undoing);
    assert!(matches!(keyed(&mut anna, "key-2").await, Err(Refusal::Conflict { .. })));
    assert!(matches!(anna.undo(&import.id).await, Err(Refusal::Conflict { .. })));
    house.end().await
}

#[tokio::test]
async fn everything_wrong_with_options_and_file_is_told_at_once() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let options = |mapping: &[(&str, &str)]| proto::ImportOptions {
        on_duplicate: 9,
        tz: "Mars/Olympus".to_owned(),
        mapping: mapping
            .iter()
            .map(|(header, field)| proto::ColumnMapping {
                header: (*header).to_owned(),
                field: (*field).to_owned(),
            })
            .collect(),
        ..proto::ImportOptions::default()
    };
    let bad = anna.import(options(&[("x", "name")]), b"a,b\n1,2").await;
    assert_eq!(bad_fields(bad), ["mapping", "onDuplicate", "tz"]);
    let bad = anna.import(options(&[]), b"a,b\n1,2").await;
    assert_eq!(bad_fields(bad), ["file", "onDuplicate", "tz"]);
    let good = proto::ImportOptions::default;
    for file in [
        &b""[..],
        b"name",
        b"name\n\n",
        b"%PDF-1.7 name",
        b"PK\x03\x04 name",
        b"\xD0\xCF\x11\xE0",
        b"a\0b\n1,2",
    ] {
        assert_eq!(bad_fields(anna.import(good(), file).await), ["file"], "{file:?}");
    }
    assert_eq!(anna.list_imports().await?.imports.len(), 0);
    let mut eve = house.person(WorkspaceId::new(), Role::Viewer).await?;
    assert!(matches!(eve.import(options(&[]), b"").await, Err(Refusal::Forbidden(_))));
    house.end().await
}

impl Person {
    async fn list_imports(&mut self) -> Result<proto::ListImportsResponse, Refusal> {
        let request = self.ask(proto::ListImportsRequest::default());
        answer(self.imports.list_imports(request).await)
    }
}

#[tokio::test]
async fn a_key_starts_one_import_however_often_it_is_sent() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let keyed = async |anna: &mut Person, print: &str| {
        let options = proto::ImportOptions { body_fingerprint: print.to_owned(), ..Default::default() };
        let mut request = anna.ask(futures::stream::iter(parts(Some(options), b"name\nAda", 3)));
        once::attach(&mut request, "key-1", "/api/v1/leads/import", b"");
        answer(anna.imports.start_import(request).await)
    };
    let first = keyed(&mut anna, "one").await?;
    anna.ended(&first.id).await?;
    assert_eq!(keyed(&mut anna, "one").await?.id, first.id);
    assert!(matches!(keyed(&mut anna, "two").await, Err(Refusal::KeyReused)));
    assert_eq!(anna.names().await?, ["Ada"]);
    assert_eq!(anna.list_imports().await?.imports.len(), 1);
    house.end().await
}

#[tokio::test]
async fn an_import_of_another_workspace_is_not_there() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut eve = house.person(WorkspaceId::new(), Role::Owner).await?;
    let import = anna.imported(proto::ImportOptions::default(), b"name\nAda").await?;
    assert_eq!(eve.get_import(&import.id).await.unwrap_err(), Refusal::NotFound("import"));
    assert_eq!(eve.undo(&import.id).await.unwrap_err(), Refusal::NotFound("import"));
    assert!(eve.errors(&import.id).await.is_err());
    assert!(eve.list_imports().await?.imports.is_empty());
    // The same address is no duplicate elsewhere.
    eve.imported(proto::ImportOptions::default(), b"name\nAda").await?;
    assert_eq!(eve.names().await?, ["Ada"]);
    house.end().await
}

#[tokio::test]
async fn owners_are_found_among_members() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let me = anna.user;
    let file = format!("name,owner\nAda,person {me}\nBob,{me}@example.com\nCid,nobody");
    let import = anna.imported(proto::ImportOptions::default(), file.as_bytes()).await?;
    assert_eq!(counts(&import), (2, 0, 0, 1));
    let leads = anna.list(proto::LeadFilter::default()).await?.leads;
    assert!(leads.iter().all(|lead| lead.owner_id == Some(me.to_string())));
    house.end().await
}

#[tokio::test]
async fn an_export_comes_in_again_field_for_field() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let me = anna.user;
    let file = format!(
        "\u{feff}Id,Name,Email,Phone,Company,Source,Status,Tags,Owner,Created at,Updated at,Status changed at,\
         Next follow-up,Notes\r\n\
         0190a8c0-5b3e-7c3a-9d2f-3b1e8f6a7c55,'=HYPERLINK(1),Zoe@Example.com,+44 20 7946 0958,\"Straße, Söhne\",\
         Referral,Converted,a\\;b; VIP,Person {me},2025-11-23T10:30:00.125+01:00,2026-01-01T00:00:00.000+01:00,\
         2026-01-01T00:00:00.000+01:00,,\"2025-12-01 09:00 Person {me}: '=later\n\nmore\n\n2025-11-30 08:00 Person {me}: first\"\r\n"
    );
    let import = anna.imported(proto::ImportOptions::default(), file.as_bytes()).await?;
    assert_eq!(counts(&import), (1, 0, 0, 0), "{}", anna.errors(&import.id).await?);
    let id = anna.list(proto::LeadFilter::default()).await?.leads.remove(0).id;
    let lead = anna.get(&id).await?;
    assert_eq!(lead.name, "=HYPERLINK(1)");
    assert_eq!(lead.email.as_deref(), Some("Zoe@Example.com"));
    assert_eq!(lead.phone.as_deref(), Some("+44 20 7946 0958"));
    assert_eq!(lead.company.as_deref(), Some("Straße, Söhne"));
    assert_eq!((lead.source(), lead.status()), (proto::Source::Referral, proto::Status::Converted));
    assert_eq!(lead.tags, ["a;b", "VIP"]);
    assert_eq!(lead.owner_id, Some(me.to_string()));
    assert_eq!(lead.created_at_ms, 1_763_890_200_125);
    assert_eq!(lead.status_changed_at_ms, 1_767_222_000_000);
    let notes: Vec<&str> = lead.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes, ["'=later\n\nmore", "first"]);
    assert!(lead.notes.iter().all(|note| note.author_id == me.to_string()));
    // The same file again changes nothing.
    let again = anna.imported(choice(proto::OnDuplicate::Update), file.as_bytes()).await?;
    assert_eq!(counts(&again), (0, 0, 1, 0));
    house.end().await
}
