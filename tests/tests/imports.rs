//! Files of leads that come in: read as people write them, told row by row, and taken back.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use leadline_tests::{
    Client, Stream, System, encode,
    imports::{XLSX, counts, import, over, recounted, send, send_as, undo},
    in_every_mode, text, unknown_id,
};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    a_table_with_semicolons_in_an_old_encoding_is_taken_in_field_by_field,
    a_mapping_says_better_what_a_column_is,
    an_export_imports_again_field_for_field,
    people_of_one_name_and_those_who_left_stand_in_no_row_s_way,
    bad_rows_are_told_with_line_and_reason_and_can_be_mended_and_sent_again,
    the_errors_come_by_a_link_too,
    duplicates_are_skipped_updated_or_made_as_asked,
    a_dry_run_changes_nothing_and_tells_the_truth,
    what_an_import_has_made_and_changed_is_listed_changed_and_exported_by_it,
    an_undo_takes_back_everything_but_what_was_edited_since,
    progress_comes_on_the_event_stream,
    a_viewer_may_not_import_and_only_some_may_take_back,
    another_workspace_s_import_is_unknown,
    imports_are_listed_newest_first,
);

const SOON: Duration = Duration::from_secs(60);

async fn leads(client: &Client) -> Result<BTreeMap<String, Value>> {
    let leads = client.all("/leads").await?;
    Ok(leads.into_iter().map(|lead| (text(&lead, "name").to_owned(), lead)).collect())
}

/// A file, as it was downloaded.
async fn file(client: &Client, path: &str) -> Result<Vec<u8>> {
    let response = client.request(Method::GET, path).send().await?;
    ensure!(response.status() == 200, "{path}: {}", response.status());
    Ok(response.bytes().await?.to_vec())
}

/// The rows of a CSV, the header's first.
fn rows(csv: &[u8]) -> Result<Vec<Vec<String>>> {
    let text = csv.strip_prefix(b"\xEF\xBB\xBF").context("no byte order mark")?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    reader.records().map(|row| Ok(row?.iter().map(str::to_owned).collect())).collect()
}

async fn a_table_with_semicolons_in_an_old_encoding_is_taken_in_field_by_field(
    system: &'static System,
) -> Result<()> {
    let una = system.register("Una").await?;
    let csv = "Vollst\u{e4}ndiger Name;E-Mail;Handy;Firma;Lead Source;Stage;Tags;Owner;Created at;Shoe size\r\n\
               Zo\u{eb} M\u{fc}ller;Zoe@Example.test;+49 30 1234567;\"S\u{f6}hne; Co\";referral;Qualified;vip; Una;2025-02-01 10:00;38\r\n\
               \r\n\
               Bj\u{f8}rn;;;;;;;;2025-07-01;\r\n";
    let csv = csv.replace("vip; Una", "\"vip; gro\u{df}\";una");
    let old: Vec<u8> = csv.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>()?;
    let options = [("tz", "Europe/Berlin"), ("fileName", "Kunden 2025.csv")];
    let sent = send(&una, old, &options).await?.expect(202)?;
    ensure!(
        sent.header("location") == format!("/api/v1/leads/imports/{}", sent.text("id")),
        "{:?}",
        sent.headers
    );
    let done = over(&una, sent.text("id"), "done").await?;
    ensure!(counts(&done) == [2, 0, 0, 0] && done["totalRows"] == 2, "{done}");
    ensure!(done["fileName"] == "Kunden 2025.csv" && done["createdBy"]["name"] == "Una", "{done}");
    ensure!(
        done["onDuplicate"] == "skip" && done["dryRun"] == false && done["preview"] == json!([]),
        "{done}"
    );
    let fields: Vec<&Value> =
        done["columns"].as_array().into_iter().flatten().map(|one| &one["field"]).collect();
    let right =
        json!(["name", "email", "phone", "company", "source", "status", "tags", "owner", "createdAt", null]);
    ensure!(json!(fields) == right, "{done}");

    let leads = leads(&una).await?;
    let zoe = leads.get("Zoë Müller").with_context(|| format!("{leads:?}"))?;
    let right = json!({
        "email": "Zoe@Example.test", "phone": "+49 30 1234567", "company": "Söhne; Co", "source": "Referral",
        "status": "Qualified", "tags": ["vip", "groß"], "createdAt": "2025-02-01T09:00:00.000Z", "version": 1,
    });
    for (name, value) in right.as_object().into_iter().flatten() {
        ensure!(zoe[name] == *value, "{name}: {zoe}");
    }
    ensure!(zoe["owner"]["name"] == "Una" && zoe["createdBy"]["name"] == "Una", "{zoe}");
    let bjorn = leads.get("Bjørn").with_context(|| format!("{leads:?}"))?;
    ensure!(bjorn["email"].is_null() && bjorn["source"] == "Other" && bjorn["status"] == "New", "{bjorn}");
    ensure!(bjorn["createdAt"] == "2025-06-30T22:00:00.000Z", "{bjorn}");
    let logged = una.get("/activity?type=lead.imported").await?.expect(200)?;
    ensure!(logged.items().len() == 2, "{}", logged.body);
    ensure!(una.get("/activity?type=lead.created").await?.expect(200)?.items().is_empty());
    ensure!(recounted(&una).await? == 2);
    Ok(())
}

async fn a_mapping_says_better_what_a_column_is(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let csv = "Vorname,Nachname,Name,Intern\nAda,Lovelace,Engines,x\nZoë,,Söhne,y\n";
    let mapping = json!({ "name": "company", "Intern": null }).to_string();
    let done = import(&una, csv, &[("mapping", &mapping)]).await?;
    ensure!(counts(&done) == [2, 0, 0, 0], "{done}");
    let leads = leads(&una).await?;
    ensure!(leads["Ada Lovelace"]["company"] == "Engines" && leads["Zoë"]["company"] == "Söhne", "{leads:?}");
    for mapping in [
        json!({ "Nobody": "name" }),
        json!({ "Name": "shoeSize" }),
        json!({ "Vorname": "email", "Nachname": "email" }),
    ] {
        send(&una, csv, &[("mapping", &mapping.to_string())]).await?.refused(422, &["mapping"])?;
    }
    Ok(())
}

async fn an_export_imports_again_field_for_field(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let names = [
        "=HYPERLINK(\"http://x.test\",\"y\")",
        "+cmd|' /C calc'!A0",
        "-1;DDE",
        "@SUM(A1)",
        "'quoted",
        "''=1",
        "Zoë \"Z\" O'Neil, Jr.",
        "李小龙; 😀 नमस्ते",
        "שלום \u{202e}abc",
        "مرحبا",
        "Тест\u{a0}x",
        "a\\;b",
    ];
    for (nth, name) in names.iter().enumerate() {
        let sources = ["Website", "Referral", "Ad", "Other"];
        let stages = ["New", "Contacted", "Qualified", "Converted", "Lost"];
        let fields = json!({
            "name": name, "email": if nth % 2 == 0 { json!(format!("Person{nth}@Example.test")) } else { Value::Null },
            "phone": if nth % 3 == 0 { json!(format!("+44 20 7946 0{nth:03}")) } else { Value::Null },
            "company": format!("{name} & \"Co\""), "source": sources[nth % 4], "status": stages[nth % 5],
            "tags": ["a;b", format!("={nth}"), "x\\", "Ünï"], "note": format!("={name}\nsecond line,\"quoted\""),
        });
        let lead = una.lead_of(&fields).await?;
        // Some enter their stage later than they are made, and notes are written that look like others.
        if nth % 3 == 1 {
            let moved = json!({ "status": stages[(nth + 1) % 5] });
            una.patch(&format!("/leads/{}", text(&lead, "id")), &moved).await?.expect(200)?;
        }
        for note in
            ["ends in a line break\n", "x\n\n2026-01-01 10:00 Una: not hers", "\\2026-01-01 10:00 Una: x\n\n"]
        {
            let path = format!("/leads/{}/notes", text(&lead, "id"));
            una.post(&path, &json!({ "text": note })).await?.expect(201)?;
        }
    }
    let exported = file(&una, "/leads/export?sort=name&tz=Asia/Kolkata").await?;
    let book = file(&una, "/leads/export?format=xlsx&sort=name&tz=UTC").await?;
    // What a lead is; not when it changed and what it is called here.
    let bare = |csv: &[u8]| -> Result<Vec<Vec<String>>> {
        let mut rows = rows(csv)?;
        for row in &mut rows {
            let time = |column: usize| row[column].chars().take(19).collect::<String>();
            *row = row[1..9].iter().cloned().chain([time(9), time(11), row[13].clone()]).collect();
        }
        Ok(rows)
    };
    let right = bare(&exported)?;
    // A note's time says no zone: it is that of the file.
    for (media_type, taken, tz) in [("text/csv", exported.clone(), "Asia/Kolkata"), (XLSX, book, "UTC")] {
        let other = system.register("Una").await?;
        let options = [("tz", tz), ("onDuplicate", "create")];
        let sent = send_as(&other, media_type, taken, &options).await?.expect(202)?;
        let done = over(&other, sent.text("id"), "done").await?;
        ensure!(counts(&done) == [names.len() as u64, 0, 0, 0], "{media_type}: {done}");
        let again = bare(&file(&other, "/leads/export?sort=name&tz=Asia/Kolkata").await?)?;
        for (one, two) in right.iter().zip(&again) {
            ensure!(one == two, "{media_type}: {two:?} and not {one:?}");
        }
        ensure!(right.len() == again.len());
        let found = leads(&other).await?;
        let lead = other.get(&format!("/leads/{}", text(&found[names[0]], "id"))).await?.expect(200)?;
        ensure!(lead.body["tags"] == json!(["a;b", "=0", "x\\", "Ünï"]), "{}", lead.body);
        let notes = lead.body["notes"].as_array().context("notes")?;
        ensure!(text(&notes[3], "text") == format!("={}\nsecond line,\"quoted\"", names[0]), "{notes:?}");
        ensure!(notes.iter().all(|note| text(&note["author"], "name") == "Una"), "{notes:?}");
    }
    Ok(())
}

async fn people_of_one_name_and_those_who_left_stand_in_no_row_s_way(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (namesake, ben) = (una.invite("Una", "member").await?, una.invite("Ben", "member").await?);
    for (client, name) in [(&una, "first"), (&namesake, "second"), (&ben, "left")] {
        let fields = json!({ "name": name, "ownerId": client.user, "note": format!("by {name}") });
        client.lead_of(&fields).await?;
    }
    una.delete(&format!("/workspace/members/{}", ben.user)).await?.expect(204)?;
    let exported = file(&una, "/leads/export?sort=name").await?;
    let done = import(&una, exported, &[("onDuplicate", "create")]).await?;
    ensure!(counts(&done) == [3, 0, 0, 0], "{done}");
    for (name, owner, author) in [
        ("first", Some(&una.user), &una.user),
        ("second", Some(&namesake.user), &namesake.user),
        ("left", None, &ben.user),
    ] {
        let found = una.all("/leads").await?;
        let made = found
            .iter()
            .filter(|lead| text(lead, "name") == name)
            .max_by_key(|lead| text(lead, "id").to_owned());
        let lead =
            una.get(&format!("/leads/{}", text(made.context("a lead")?, "id"))).await?.expect(200)?.body;
        ensure!(lead["owner"]["id"].as_str() == owner.map(String::as_str), "{lead}");
        ensure!(text(&lead["notes"][0]["author"], "id") == author, "{lead}");
        ensure!(text(&lead["notes"][0], "text") == format!("by {name}"), "{lead}");
    }
    Ok(())
}

const MIXED: &str = "Name,Email,Status,Extra\n\
    Ada,ada@example.test,New,1\n\
    ,nobody@example.test,New,2\n\
    Zoë,zoe@example.test,Lost,\"3\nand more\"\n\
    Bob,not an address,Won,\"four, 4\"\n\
    Eve,eve@example.test,,5\n";

async fn bad_rows_are_told_with_line_and_reason_and_can_be_mended_and_sent_again(
    system: &'static System,
) -> Result<()> {
    let una = system.register("Una").await?;
    let done = import(&una, MIXED, &[]).await?;
    ensure!(counts(&done) == [3, 0, 0, 2] && done["rows"] == 5, "{done}");
    let path = format!("/leads/imports/{}/errors", text(&done, "id"));
    let answer = una.get(&path).await?.expect(200)?;
    let today = chrono::Utc::now().date_naive();
    let name = format!("attachment; filename=\"import-errors-{today}.csv\"");
    ensure!(answer.header("content-disposition") == name, "{:?}", answer.headers);
    ensure!(answer.header("content-type").starts_with("text/csv"), "{:?}", answer.headers);
    let errors = rows(&file(&una, &path).await?)?;
    ensure!(
        errors.len() == 3 && errors[0] == ["Name", "Email", "Status", "Extra", "Line", "Reason"],
        "{errors:?}"
    );
    ensure!(errors[1][..5] == ["", "nobody@example.test", "New", "2", "3"], "{errors:?}");
    ensure!(errors[1][5].to_lowercase().contains("name"), "{errors:?}");
    // The row before it takes two lines.
    ensure!(errors[2][..5] == ["Bob", "not an address", "Won", "four, 4", "6"], "{errors:?}");
    let why = errors[2][5].to_lowercase();
    ensure!(why.contains("email") && why.contains("qualified"), "every reason is told: {why}");

    // Mended and sent again, with the columns that were added.
    let mut mended = csv::Writer::from_writer(Vec::new());
    mended.write_record(&errors[0])?;
    mended.write_record(["Nora", "nobody@example.test", "New", "2", "3", &errors[1][5]])?;
    mended.write_record(["Bob", "bob@example.test", "Lost", "four, 4", "6", &errors[2][5]])?;
    let done = import(&una, mended.into_inner()?, &[]).await?;
    ensure!(counts(&done) == [2, 0, 0, 0], "{done}");
    let all = leads(&una).await?;
    ensure!(all.len() == 5 && all["Bob"]["status"] == "Lost", "{all:?}");
    let none = una.get(&format!("/leads/imports/{}/errors", text(&done, "id"))).await?.expect(200)?;
    ensure!(none.body.as_str().is_some_and(|csv| csv.lines().count() == 1), "{}", none.body);
    ensure!(recounted(&una).await? == 5);
    Ok(())
}

async fn the_errors_come_by_a_link_too(system: &'static System) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    let done = import(&una, MIXED, &[]).await?;
    let path = format!("/api/v1/leads/imports/{}/errors", text(&done, "id"));
    let link = una.post("/downloads", &json!({ "path": path })).await?.expect(201)?.text("url").to_owned();
    let given = una.get(&format!("/{link}")).await?.expect(200)?;
    ensure!(given.body.as_str().is_some_and(|csv| csv.contains("not an address")), "{}", given.body);
    una.get(&format!("/{link}")).await?.expect(410)?;
    let link = other.post("/downloads", &json!({ "path": path })).await?.expect(201)?.text("url").to_owned();
    other.get(&format!("/{link}")).await?.problem(404, "not-found")?;
    una.post("/downloads", &json!({ "path": format!("{path}?x=1") })).await?.refused(422, &["path"])?;
    Ok(())
}

async fn duplicates_are_skipped_updated_or_made_as_asked(system: &'static System) -> Result<()> {
    let csv = "Name,Email,Phone,Company,Tags\n\
               Ada L.,ADA@example.test,,Engines,new\n\
               Bob,,(030) 123-4567,,\n\
               New,new@example.test,,,\n\
               New again,NEW@example.test,,Later,\n";
    let right = [("skip", [1, 0, 3, 0]), ("update", [1, 3, 0, 0]), ("create", [4, 0, 0, 0])];
    for (asked, right) in right {
        let una = system.register("Una").await?;
        let ada = json!({ "name": "Ada", "email": "ada@Example.test", "phone": "99", "tags": ["old"] });
        let ada = una.lead_of(&ada).await?;
        una.lead_of(&json!({ "name": "Robert", "phone": "0301234567", "company": "Kept" })).await?;
        let done = import(&una, csv, &[("onDuplicate", asked)]).await?;
        ensure!(counts(&done) == right && done["onDuplicate"] == asked, "{asked}: {done}");
        let all = leads(&una).await?;
        let now = una.get(&format!("/leads/{}", text(&ada, "id"))).await?.expect(200)?.body;
        if asked == "update" {
            ensure!(now["name"] == "Ada L." && now["company"] == "Engines" && now["version"] == 2, "{now}");
            ensure!(now["phone"] == "99", "an empty cell changes nothing: {now}");
            ensure!(all.len() == 3 && all["Bob"]["company"] == "Kept", "{all:?}");
            ensure!(all["New again"]["company"] == "Later", "{all:?}");
        } else {
            ensure!(now["name"] == "Ada" && now["version"] == 1, "{now}");
            ensure!(all.len() == if asked == "skip" { 3 } else { 6 }, "{all:?}");
        }
        recounted(&una).await?;
    }
    Ok(())
}

async fn a_dry_run_changes_nothing_and_tells_the_truth(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead_of(&json!({ "name": "Eve", "email": "eve@example.test" })).await?;
    let before = (una.all("/leads").await?, una.all("/activity").await?);
    let dry = import(&una, MIXED, &[("dryRun", "true")]).await?;
    ensure!(counts(&dry) == [2, 0, 1, 2] && dry["dryRun"] == true, "{dry}");
    let preview = dry["preview"].as_array().context("no preview")?;
    let told: Vec<(&Value, &Value)> = preview.iter().map(|row| (&row["line"], &row["outcome"])).collect();
    let right = json!([[2, "created"], [3, "failed"], [4, "created"], [6, "failed"], [7, "skipped"]]);
    ensure!(json!(told) == right, "{dry}");
    ensure!(preview[2]["cells"] == json!(["Zoë", "zoe@example.test", "Lost", "3\nand more"]), "{dry}");
    ensure!(preview[0]["reason"].is_null() && preview[1]["reason"].is_string(), "{dry}");
    ensure!(preview[4]["reason"].is_string(), "{dry}");
    ensure!(before == (una.all("/leads").await?, una.all("/activity").await?), "it has changed something");
    let real = import(&una, MIXED, &[]).await?;
    ensure!(counts(&real) == counts(&dry), "{real} and {dry}");
    una.act(&format!("/leads/imports/{}/undo", text(&dry, "id"))).await?.expect(409)?;
    Ok(())
}

async fn what_an_import_has_made_and_changed_is_listed_changed_and_exported_by_it(
    system: &'static System,
) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    una.lead_of(&json!({ "name": "Ada", "email": "ada@example.test" })).await?;
    una.lead("Nobody's").await?;
    let csv =
        "Name,Email,Status\nAda,ada@example.test,Lost\nBob,bob@example.test,\nCid,cid@example.test,Lost\n";
    let done = import(&una, csv, &[("onDuplicate", "update")]).await?;
    ensure!(counts(&done) == [2, 1, 0, 0], "{done}");
    let id = text(&done, "id");
    let names = async |client: &Client, filter: &str| -> Result<Vec<String>> {
        let page = client.get(&format!("/leads?import={id}&sort=name{filter}")).await?.expect(200)?;
        ensure!(page.body["total"]["value"] == page.items().len(), "{}", page.body);
        Ok(page.items().iter().map(|lead| text(lead, "name").to_owned()).collect())
    };
    ensure!(names(&una, "").await? == ["Ada", "Bob", "Cid"]);
    ensure!(names(&una, "&importOutcome=created").await? == ["Bob", "Cid"]);
    ensure!(names(&una, "&importOutcome=updated").await? == ["Ada"]);
    ensure!(names(&una, "&importOutcome=created&status=Lost").await? == ["Cid"]);
    ensure!(names(&other, "").await?.is_empty());
    for (bad, field) in [
        ("import=7", "import"),
        ("import=", "import"),
        ("importOutcome=created", "import"),
        (&format!("import={id}&importOutcome=skipped"), "importOutcome"),
    ] {
        una.get(&format!("/leads?{bad}")).await?.refused(400, &[field])?;
    }
    let table = rows(&file(&una, &format!("/leads/export?format=csv&import={id}&sort=name")).await?)?;
    ensure!(table.len() == 4 && table[1][1] == "Ada" && table[3][1] == "Cid", "{table:?}");
    let lost = json!({ "filter": { "import": id, "importOutcome": "created" }, "addTags": ["fair"] });
    let bulk = una.post("/leads/bulk", &lost).await?.expect(200)?.body;
    ensure!(bulk == json!({ "matched": 2, "changed": 2, "failed": [] }), "{bulk}");
    let tagged = una.get("/leads?tag=fair&sort=name").await?.expect(200)?;
    ensure!(tagged.items().len() == 2 && tagged.items()[0]["name"] == "Bob", "{}", tagged.body);
    // What is taken back was edited since, but for one.
    ensure!(undo(&una, id).await?["takenBack"] == 1);
    ensure!(names(&una, "").await? == ["Bob", "Cid"]);
    Ok(())
}

async fn an_undo_takes_back_everything_but_what_was_edited_since(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let old = una
        .lead_of(&json!({ "name": "Old", "email": "old@example.test", "company": "Before", "tags": ["a"] }))
        .await?;
    let path = format!("/leads/{}", text(&old, "id"));
    let before = una.get(&path).await?.expect(200)?.body;
    let csv = "Name,Email,Company,Tags,Status,Created at\n\
               Newer,OLD@example.test,After,b,Converted,\n\
               Newer,OLD@example.test,After,b,Lost,\n\
               One,one@example.test,,,Converted,2025-01-05\n\
               Two,two@example.test,,,,\n\
               Three,three@example.test,,,Lost,2025-03-05\n";
    let done = import(&una, csv, &[("onDuplicate", "update")]).await?;
    ensure!(counts(&done) == [3, 2, 0, 0], "{done}");
    ensure!(recounted(&una).await? == 4);
    let all = leads(&una).await?;
    ensure!(all["Newer"]["company"] == "After" && all["Newer"]["status"] == "Lost", "{all:?}");
    una.patch(&format!("/leads/{}", text(&all["Two"], "id")), &json!({ "company": "Mine" }))
        .await?
        .expect(200)?;
    let undone = undo(&una, text(&done, "id")).await?;
    ensure!(undone["kept"] == 1 && undone["takenBack"] == 3, "{undone}");
    let left = leads(&una).await?;
    ensure!(left.keys().collect::<Vec<_>>() == ["Old", "Two"], "{left:?}");
    let now = una.get(&path).await?.expect(200)?.body;
    for name in [
        "name",
        "email",
        "phone",
        "company",
        "source",
        "status",
        "statusChangedAt",
        "tags",
        "owner",
        "createdAt",
    ] {
        ensure!(now[name] == before[name], "{name}: {now} and not {before}");
    }
    ensure!(recounted(&una).await? == 2);
    // Both stand where they began, and have never been elsewhere.
    leadline_testbed::eventually(SOON, "the funnel has nothing of what was taken back", async || {
        let funnel = una.get("/analytics/funnel?tz=UTC").await?.expect(200)?;
        let reached: Vec<&Value> = funnel.items().iter().map(|item| &item["reached"]).collect();
        ensure!(json!(reached) == json!([2, 0, 0, 0]), "{}", funnel.body);
        Ok(())
    })
    .await?;
    let trashed = una.get("/leads?trashed=true").await?.expect(200)?;
    ensure!(trashed.items().len() == 2, "{}", trashed.body);
    una.act(&format!("/leads/imports/{}/undo", text(&done, "id"))).await?.expect(409)?;
    Ok(())
}

async fn progress_comes_on_the_event_stream(system: &'static System) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    let mel = una.invite("Mel", "viewer").await?;
    let mut stream = Stream::open(&mel, None).await?;
    let mut foreign = Stream::open(&other, None).await?;
    let rows: String = (0..2_500).map(|n| format!("Lead {n},lead{n}@example.test\n")).collect();
    let sent = send(&una, format!("Name,Email\n{rows}"), &[]).await?.expect(202)?;
    let (mut seen, mut last) = (Vec::new(), Value::Null);
    while last["state"] != "done" {
        let event = stream.find(SOON, "progress", |event| event.kind == "import").await?;
        ensure!(event.data["id"] == sent.body["id"] && event.data["createdBy"]["name"] == "Una", "{event:?}");
        seen.push(event.data["rows"].as_u64().context("no rows")?);
        last = event.data;
    }
    ensure!(seen.is_sorted() && seen.last() == Some(&2_500), "{seen:?}");
    let mut done = over(&una, sent.text("id"), "done").await?;
    ensure!(done["columns"][1]["field"] == "email", "{done}");
    // They don't change, and are not told with every step.
    done["columns"] = json!([]);
    ensure!(last == done, "{last} and {done}");
    let undone = undo(&una, sent.text("id")).await?;
    let state =
        |state: &'static str| move |event: &leadline_tests::stream::Event| event.data["state"] == state;
    let told = stream.find(SOON, "the end of the undo", state("undone")).await?;
    ensure!(told.data["takenBack"] == undone["takenBack"], "{told:?}");
    other.lead("Ada").await?;
    let first = foreign.find(SOON, "an own event", |event| event.kind != "analytics").await?;
    ensure!(first.kind == "activity", "{first:?}");
    Ok(())
}

async fn a_viewer_may_not_import_and_only_some_may_take_back(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (vera, max, mel) = (
        una.invite("Vera", "viewer").await?,
        una.invite("Max", "member").await?,
        una.invite("Mel", "member").await?,
    );
    send(&vera, MIXED, &[]).await?.problem(403, "forbidden")?;
    send(&vera, MIXED, &[("dryRun", "true")]).await?.problem(403, "forbidden")?;
    send(&una.signed_out(), MIXED, &[]).await?.problem(401, "unauthenticated")?;
    let done = import(&max, MIXED, &[]).await?;
    let path = format!("/leads/imports/{}", text(&done, "id"));
    for reader in [&vera, &mel] {
        ensure!(reader.get(&path).await?.expect(200)?.body == done);
        reader.get(&format!("{path}/errors")).await?.expect(200)?;
        reader.act(&format!("{path}/undo")).await?.problem(403, "forbidden")?;
    }
    undo(&max, text(&done, "id")).await?;
    let again = import(&mel, MIXED, &[]).await?;
    undo(&una, text(&again, "id")).await?;
    Ok(())
}

async fn another_workspace_s_import_is_unknown(system: &'static System) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    let done = import(&una, MIXED, &[]).await?;
    for id in [text(&done, "id"), &unknown_id(), "nonsense"] {
        let path = format!("/leads/imports/{}", encode(id));
        other.get(&path).await?.problem(404, "not-found")?;
        other.get(&format!("{path}/errors")).await?.problem(404, "not-found")?;
        other.act(&format!("{path}/undo")).await?.problem(404, "not-found")?;
    }
    ensure!(other.get("/leads/imports").await?.expect(200)?.items().is_empty());
    ensure!(leads(&una).await?.len() == 3);
    Ok(())
}

async fn imports_are_listed_newest_first(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mut made = Vec::new();
    for nth in 0..4 {
        let mut one =
            import(&una, format!("Name\nLead {nth}\n"), &[("fileName", &format!("{nth}.csv"))]).await?;
        ensure!(one["columns"] == json!([{ "header": "Name", "field": "name" }]), "{one}");
        // Lists do without.
        one["columns"] = json!([]);
        made.push(one);
    }
    made.reverse();
    let listed = una.get("/leads/imports").await?.expect(200)?;
    ensure!(
        listed.items() == made && listed.body["total"] == json!({ "value": 4, "relation": "eq" }),
        "{}",
        listed.body
    );
    let page = una.get("/leads/imports?limit=3").await?.expect(200)?;
    let rest = una.get(&format!("/leads/imports?limit=3&cursor={}", encode(page.text("nextCursor")))).await?;
    ensure!(rest.expect(200)?.items() == &made[3..]);
    una.get("/leads/imports?limit=0&cursor=x&state=done").await?.refused(400, &["limit", "state"])?;
    una.get("/leads/imports?cursor=x").await?.refused(400, &["cursor"])?;
    Ok(())
}
