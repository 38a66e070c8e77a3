//! Files: leads and figures as CSV and XLSX, the month as PDF; and leads that may be the same.

use std::{collections::BTreeSet, io::Cursor, time::Duration};

use anyhow::{Context, Result, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{Client, System, encode, in_every_mode, query, text, unknown_id};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

in_every_mode!(
    every_lead_of_a_filter_is_exported_once_and_in_order,
    a_row_has_what_the_lead_has,
    no_cell_can_be_taken_for_a_formula,
    a_workbook_has_the_leads_as_texts_and_dates,
    viewers_export_and_nobody_exports_another_workspace_s,
    what_can_t_be_read_of_an_export_is_told_at_once,
    the_figures_of_a_file_are_those_of_the_api,
    a_month_is_a_pdf_with_pages_a_workbook_and_a_csv,
    a_month_lists_the_leads_won_and_lost_with_the_reason,
    likely_duplicates_are_told_with_why,
    a_lead_that_is_being_typed_is_compared_too,
);

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A file that was downloaded.
struct File {
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl File {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn text(&self) -> Result<&str> {
        let text = self.bytes.strip_prefix(b"\xEF\xBB\xBF").context("no byte order mark")?;
        Ok(std::str::from_utf8(text)?)
    }

    /// The rows of a CSV of leads, without their header.
    fn rows(&self) -> Result<Vec<Vec<String>>> {
        let mut rows = self.all_rows()?;
        let header = rows.remove(0).join(",");
        let right = "Id,Name,Email,Phone,Company,Source,Status,Tags,Owner,Created at,Updated at,Status changed at,\
                     Next follow-up,Notes";
        ensure!(header == right, "{header}");
        Ok(rows)
    }

    fn all_rows(&self) -> Result<Vec<Vec<String>>> {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(self.text()?.as_bytes());
        reader.records().map(|row| Ok(row?.iter().map(str::to_owned).collect())).collect()
    }

    /// The rows of a table in a CSV of several.
    fn table(&self, name: &str) -> Result<Vec<Vec<String>>> {
        let rows = self.all_rows()?;
        // An empty line is no record: a table ends where a row with the name of another, alone, stands.
        let start = rows
            .iter()
            .position(|row| row.len() == 1 && row[0] == name)
            .with_context(|| format!("no {name}"))?;
        Ok(rows[start + 2..].iter().take_while(|row| row.len() > 1).cloned().collect())
    }

    /// A part of a workbook.
    fn part(&self, name: &str) -> Result<String> {
        let mut archive = zip::ZipArchive::new(Cursor::new(&self.bytes))?;
        let mut part = archive.by_name(name).with_context(|| name.to_owned())?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut part, &mut text)?;
        Ok(text)
    }

    fn sheets(&self) -> Result<Vec<String>> {
        let book = self.part("xl/workbook.xml")?;
        let names = book.split("<sheet name=\"").skip(1);
        Ok(names.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect())
    }
}

async fn file(client: &Client, path: &str) -> Result<File> {
    let response = client.request(Method::GET, path).send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await?.to_vec();
    ensure!(status == 200, "{path}: {status}: {}", String::from_utf8_lossy(&bytes));
    Ok(File { headers, bytes })
}

/// A number as a file has it.
fn written(number: &Value) -> String {
    number.to_string()
}

/// What every lead has in the first column.
fn first(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().map(|row| row[0].as_str()).collect()
}

async fn every_lead_of_a_filter_is_exported_once_and_in_order(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let sources = ["Website", "Referral", "Ad", "Other"];
    let make = (0..60).map(|n| {
        let una = una.clone();
        async move {
            let mut fields = json!({ "name": format!("Lead {:02}", n * 7 % 60), "source": sources[n % 4] });
            fields["tags"] = if n % 3 == 0 { json!(["third"]) } else { json!([]) };
            fields["company"] = if n % 2 == 0 { json!(format!("Firm {}", n % 5)) } else { Value::Null };
            fields["status"] = if n % 5 == 0 { "Lost" } else { "New" }.into();
            una.lead_of(&fields).await
        }
    });
    futures::future::try_join_all(make).await?;
    let gone = una.lead("Gone").await?;
    una.delete(&format!("/leads/{}", text(&gone, "id"))).await?.expect(204)?;
    let filters = [
        "",
        "sort=name",
        "sort=-company&status=New",
        "source=Ad,Website&tag=third&sort=-name",
        "q=lead+1",
        "trashed=true",
    ];
    for filter in filters {
        let listed = una.all(&format!("/leads?{filter}")).await?;
        let rows = file(&una, &format!("/leads/export?{filter}")).await?.rows()?;
        let right: Vec<&str> = listed.iter().map(|lead| text(lead, "id")).collect();
        ensure!(first(&rows) == right, "{filter}: {} rows and not {}", rows.len(), right.len());
    }
    let none = file(&una, "/leads/export?q=nobody+at+all").await?;
    ensure!(none.rows()?.is_empty());
    Ok(())
}

async fn a_row_has_what_the_lead_has(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let fields = json!({
        "name": "Zoë \"Z\" O'Neil,\u{202e}x", "email": "Zoe@Example.test", "phone": "+44 20 7946 0958",
        "company": "Söhne; Co", "source": "Referral", "status": "Qualified", "tags": ["vip", "a;b"],
        "ownerId": una.user, "note": "first\nline",
    });
    let lead = una.lead_of(&fields).await?;
    let id = text(&lead, "id");
    una.post(&format!("/leads/{id}/notes"), &json!({ "text": "second" })).await?.expect(201)?;
    let due = json!({ "leadId": id, "dueAt": "2030-07-01T10:00:00Z", "message": "Call" });
    una.post("/reminders", &due).await?.expect(201)?;
    wait_until(Duration::from_secs(20), "the follow-up is told", async || {
        una.get(&format!("/leads/{id}")).await.is_ok_and(|answer| !answer.body["nextFollowUpAt"].is_null())
    })
    .await?;
    let exported = file(&una, "/leads/export?format=csv&tz=Asia/Kolkata").await?;
    ensure!(exported.header("content-type").starts_with("text/csv"), "{:?}", exported.headers);
    ensure!(exported.text()?.contains("\r\n") && exported.bytes.starts_with(b"\xEF\xBB\xBFId,Name,"));
    let rows = exported.rows()?;
    let [row] = &rows[..] else { anyhow::bail!("{rows:?}") };
    let right = [
        id,
        "Zoë \"Z\" O'Neil,\u{202e}x",
        "Zoe@Example.test",
        "+44 20 7946 0958",
        "Söhne; Co",
        "Referral",
        "Qualified",
        r"vip; a\;b",
        "Una",
    ];
    ensure!(row[..9] == right, "{row:?}");
    let created = chrono::DateTime::parse_from_rfc3339(&row[9])?;
    ensure!(
        row[9].ends_with("+05:30")
            && created == chrono::DateTime::parse_from_rfc3339(text(&lead, "createdAt"))?
    );
    ensure!(row[12] == "2030-07-01T15:30:00.000+05:30", "{row:?}");
    ensure!(row[13].contains("Una: second\n\n") && row[13].ends_with("Una: first\nline"), "{row:?}");
    let today = chrono::Utc::now().with_timezone(&chrono_tz::Asia::Kolkata).date_naive();
    let name = exported.header("content-disposition");
    ensure!(name == format!("attachment; filename=\"leads-{today}.csv\""), "{name}");
    Ok(())
}

async fn no_cell_can_be_taken_for_a_formula(system: &'static System) -> Result<()> {
    let una = system.register("=Una").await?;
    let name = "=HYPERLINK(\"http://x.test\",\"y\")";
    let fields = json!({
        "name": name, "company": "+cmd|' /C calc'!A0", "phone": "-1;DDE", "tags": ["@SUM(A1)"], "ownerId": una.user,
    });
    una.lead_of(&fields).await?;
    una.lead_of(&json!({ "name": "'=1", "phone": "-44 (0)20", "company": "'Tis" })).await?;
    let rows = file(&una, "/leads/export?sort=name").await?.rows()?;
    for row in &rows {
        for (place, cell) in row.iter().enumerate() {
            let plain = place == 3 && cell.chars().all(|c| "0123456789 ()-.+".contains(c));
            ensure!(plain || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
    let named =
        |name: &str| rows.iter().find(|row| row[1] == name).with_context(|| format!("{name}: {rows:?}"));
    let row = named(&format!("'{name}"))?;
    ensure!(
        row[4] == "'+cmd|' /C calc'!A0" && row[3] == "'-1;DDE" && row[7] == "'@SUM(A1)" && row[8] == "'=Una",
        "{row:?}"
    );
    let row = named("''=1")?;
    ensure!(row[3] == "-44 (0)20" && row[4] == "'Tis", "{row:?}");
    let book = file(&una, "/leads/export?format=xlsx").await?;
    let sheet = book.part("xl/worksheets/sheet1.xml")?;
    ensure!(!sheet.contains("<f>") && !sheet.contains("<f ") && !sheet.contains("hyperlink"), "{sheet}");
    ensure!(sheet.contains("=HYPERLINK("), "{sheet}");
    Ok(())
}

async fn a_workbook_has_the_leads_as_texts_and_dates(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for n in 0..3 {
        una.lead_of(&json!({ "name": format!("Lead {n} <&>"), "phone": "0301234567" })).await?;
    }
    let book = file(&una, "/leads/export?format=xlsx&sort=name&tz=UTC").await?;
    ensure!(book.header("content-type") == XLSX, "{:?}", book.headers);
    let today = chrono::Utc::now().date_naive();
    ensure!(
        book.header("content-disposition").contains(&format!("leads-{today}.xlsx")),
        "{:?}",
        book.headers
    );
    ensure!(book.sheets()? == ["Leads"], "{:?}", book.sheets()?);
    let sheet = book.part("xl/worksheets/sheet1.xml")?;
    let places: Vec<_> = (0..3).map(|n| sheet.find(&format!("Lead {n} &lt;&amp;&gt;"))).collect();
    ensure!(places.iter().all(Option::is_some) && places.is_sorted(), "{sheet}");
    ensure!(sheet.contains("<autoFilter ref=\"A1:N4\"/>") && sheet.contains("state=\"frozen\""), "{sheet}");
    ensure!(sheet.contains("0301234567") && sheet.matches("<row ").count() == 4, "{sheet}");
    Ok(())
}

async fn viewers_export_and_nobody_exports_another_workspace_s(system: &'static System) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    una.lead("Ada").await?;
    other.lead("Foreign").await?;
    let viewer = una.invite("Vera", "viewer").await?;
    for path in ["/leads/export", "/leads/export?format=xlsx", "/analytics/export", "/reports/monthly"] {
        file(&viewer, path).await?;
        una.signed_out().get(path).await?.problem(401, "unauthenticated")?;
    }
    let rows = file(&viewer, "/leads/export").await?.rows()?;
    ensure!(rows.len() == 1 && rows[0][1] == "Ada", "{rows:?}");
    let rows = file(&viewer, &format!("/leads/export?owner={}", other.user)).await?.rows()?;
    ensure!(rows.is_empty(), "{rows:?}");
    let head = una.send(una.request(Method::HEAD, "/leads/export")).await?.expect(200)?;
    ensure!(
        head.header("content-disposition").starts_with("attachment") && head.body.is_null(),
        "{:?}",
        head.headers
    );
    Ok(())
}

async fn what_can_t_be_read_of_an_export_is_told_at_once(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let path = "/leads/export?format=pdf&status=Won&sort=age&tz=Mars&limit=5&cursor=x";
    una.get(path).await?.refused(400, &["format", "status", "sort", "tz", "limit", "cursor"])?;
    let path = "/analytics/export?format=pdf&interval=year&from=soon&months=3";
    una.get(path).await?.refused(400, &["format", "interval", "from", "months"])?;
    una.get("/reports/monthly?format=doc&month=2026-13&x=1")
        .await?
        .refused(400, &["format", "month", "x"])?;
    una.get("/reports/monthly?month=9000-01").await?.refused(400, &["month"])?;
    una.get("/analytics/export?from=2026-02-02&to=2026-02-01").await?.problem(400, "bad-request")?;
    Ok(())
}

/// Leads in every stage, counted.
async fn counted(una: &Client) -> Result<Value> {
    for (n, status) in ["New", "Contacted", "Qualified", "Converted", "Lost", "Lost"].into_iter().enumerate()
    {
        let source = ["Website", "Referral", "Ad"][n % 3];
        let lead = una
            .lead_of(&json!({ "name": format!("Lead {n}"), "source": source, "company": "Engines" }))
            .await?;
        if status != "New" {
            let body = json!({ "status": status, "reason": format!("Because of {n}") });
            una.patch(&format!("/leads/{}/status", text(&lead, "id")), &body).await?.expect(200)?;
        }
    }
    wait_until(Duration::from_secs(20), "all is counted", async || {
        let report = una.get("/analytics/report?period=month&tz=UTC").await;
        report
            .is_ok_and(|report| report.body["figures"]["lost"] == 2 && report.body["figures"]["created"] == 6)
    })
    .await?;
    Ok(una.get("/analytics/report?period=month&tz=UTC").await?.expect(200)?.body)
}

async fn the_figures_of_a_file_are_those_of_the_api(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    counted(&una).await?;
    let figures = file(&una, "/analytics/export?format=csv&tz=UTC&interval=month").await?;
    let summary = una.get("/analytics/summary?tz=UTC").await?.expect(200)?.body;
    let cell = |rows: &[Vec<String>], name: &str| -> Result<String> {
        let row = rows.iter().find(|row| row[0] == name).with_context(|| format!("no {name}: {rows:?}"))?;
        Ok(row[1].clone())
    };
    let table = figures.table("Summary")?;
    for (name, member) in [
        ("Total leads", "totalLeads"),
        ("New today", "newToday"),
        ("Converted this week", "convertedThisWeek"),
        ("Lost this month", "lostThisMonth"),
    ] {
        ensure!(cell(&table, name)? == written(&summary[member]), "{name}: {table:?} and not {summary}");
    }
    for (table, path, member) in [
        ("By status", "/analytics/by-status?tz=UTC", "status"),
        ("By source", "/analytics/by-source?tz=UTC", "source"),
    ] {
        let rows = figures.table(table)?;
        for item in una.get(path).await?.expect(200)?.items() {
            ensure!(cell(&rows, text(item, member))? == written(&item["count"]), "{item}: {rows:?}");
        }
    }
    let created = una.get("/analytics/created?interval=month&tz=UTC").await?.expect(200)?;
    ensure!(figures.table("Created")?.len() == created.items().len());
    let funnel = figures.table("Funnel")?;
    for item in una.get("/analytics/funnel?tz=UTC").await?.expect(200)?.items() {
        ensure!(cell(&funnel, text(item, "status"))? == written(&item["reached"]), "{item}: {funnel:?}");
    }
    let today = chrono::Utc::now().date_naive();
    let name = format!("attachment; filename=\"leadline-analytics-{today}.csv\"");
    ensure!(figures.header("content-disposition") == name, "{:?}", figures.headers);
    // Of a range in which nothing was created, nothing is counted but what is not asked for by creation.
    let empty = file(&una, "/analytics/export?tz=UTC&from=2020-01-01&to=2020-01-31").await?;
    ensure!(cell(&empty.table("By status")?, "Lost")? == "0");
    ensure!(empty.table("Created")?.len() == 31);

    let book = file(&una, "/analytics/export?format=xlsx").await?;
    let right = ["Summary", "By status", "By source", "Created", "Conversion", "Funnel", "Report"];
    ensure!(book.sheets()?.starts_with(&right.map(str::to_owned)), "{:?}", book.sheets()?);
    ensure!(book.part("xl/charts/chart1.xml")?.contains("chart"));
    Ok(())
}

async fn a_month_is_a_pdf_with_pages_a_workbook_and_a_csv(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let report = counted(&una).await?;
    let month = &text(&report, "start")[..7];
    let pdf = file(&una, "/reports/monthly?tz=UTC").await?;
    ensure!(pdf.header("content-type") == "application/pdf", "{:?}", pdf.headers);
    let name = format!("attachment; filename=\"leadline-report-{month}.pdf\"");
    ensure!(pdf.header("content-disposition") == name, "{:?}", pdf.headers);
    ensure!(pdf.header("content-length") == pdf.bytes.len().to_string(), "{:?}", pdf.headers);
    let raw = String::from_utf8_lossy(&pdf.bytes);
    ensure!(raw.starts_with("%PDF-") && raw.trim_end().ends_with("%%EOF"));
    ensure!(raw.matches("/Type /Page").count() + raw.matches("/Type/Page").count() >= 2, "no pages");

    let csv = file(&una, &format!("/reports/monthly?month={month}&format=csv&tz=UTC")).await?;
    let summary = csv.table("Summary")?;
    for (name, member) in [
        ("Created", "created"),
        ("Contacted", "contacted"),
        ("Qualified", "qualified"),
        ("Converted", "converted"),
        ("Lost", "lost"),
    ] {
        let row = summary.iter().find(|row| row[0] == name).with_context(|| name.to_owned())?;
        ensure!(row[1] == written(&report["figures"][member]), "{row:?} and not {report}");
        ensure!(row[2] == written(&report["previous"][member]), "{row:?} and not {report}");
    }
    let rate = summary.iter().find(|row| row[0] == "Conversion rate (%)").context("no rate")?;
    ensure!(rate[1] == format!("{:.1}", report["figures"]["rate"].as_f64().context("no rate")?), "{rate:?}");
    for (table, member, word) in [("By status", "byStatus", "status"), ("By source", "bySource", "source")] {
        let rows = csv.table(table)?;
        let items = report[member]["items"].as_array().cloned().unwrap_or_default();
        ensure!(!items.is_empty());
        for item in items {
            let row =
                rows.iter().find(|row| row[0] == text(&item, word)).with_context(|| item.to_string())?;
            ensure!(row[1] == written(&item["count"]), "{row:?} and not {item}");
        }
    }
    let conversion = una.get("/analytics/conversion?tz=UTC").await?.expect(200)?;
    ensure!(csv.table("Conversion")?.len() == 12);
    let last = csv.table("Conversion")?.pop().context("no months")?;
    let item = conversion.items().last().context("no months")?;
    ensure!(
        last[0] == month && last[1] == written(&item["created"]) && last[2] == written(&item["converted"])
    );

    let book = file(&una, "/reports/monthly?format=xlsx").await?;
    ensure!(
        book.sheets()?.iter().any(|name| name == "Won") && book.sheets()?.len() >= 7,
        "{:?}",
        book.sheets()?
    );
    // A month in which nothing was, and one that lies farther back than months are counted.
    for month in ["2026-01", "1999-12"] {
        let csv = file(&una, &format!("/reports/monthly?month={month}&format=csv&tz=UTC")).await?;
        ensure!(csv.table("Summary")?.iter().any(|row| row[0] == "Created" && row[1] == "0"));
        let conversion = csv.table("Conversion")?;
        ensure!(conversion.last().is_some_and(|row| row[0] == month), "{conversion:?}");
        ensure!(file(&una, &format!("/reports/monthly?month={month}")).await?.bytes.starts_with(b"%PDF-"));
    }
    Ok(())
}

async fn a_month_lists_the_leads_won_and_lost_with_the_reason(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    counted(&una).await?;
    let csv = file(&una, "/reports/monthly?format=csv&tz=UTC").await?;
    let (won, lost) = (csv.table("Won")?, csv.table("Lost")?);
    ensure!(won.len() == 1 && won[0][0] == "Lead 3" && won[0][5] == "Because of 3", "{won:?}");
    ensure!(lost.len() == 2, "{lost:?}");
    // The latest first.
    ensure!(lost[0][0] == "Lead 5" && lost[1][0] == "Lead 4", "{lost:?}");
    ensure!(lost[0][1] == "Engines" && lost[0][5] == "Because of 5", "{lost:?}");
    Ok(())
}

fn alike(answer: &leadline_tests::Answer) -> Vec<(String, Vec<String>)> {
    let items = answer.items().iter();
    items
        .map(|item| {
            let reasons = item["reasons"].as_array().cloned().unwrap_or_default();
            let reasons = reasons.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            (item["lead"]["name"].as_str().unwrap_or_default().to_owned(), reasons)
        })
        .collect()
}

fn names(alike: &[(String, Vec<String>)]) -> BTreeSet<&str> {
    alike.iter().map(|(name, _)| name.as_str()).collect()
}

async fn likely_duplicates_are_told_with_why(system: &'static System) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    let of = |name: &str, email: &str, phone: &str, company: &str| {
        let some = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        json!({ "name": name, "email": some(email), "phone": some(phone), "company": some(company) })
    };
    let ada = una.lead_of(&of("Ada Lovelace", "ada@engines.test", "+44 20 7946 0958", "Engines")).await?;
    una.lead_of(&of("Lovelace, Ada", "", "", "ENGINES")).await?;
    una.lead_of(&of("Countess", "ADA@Engines.Test", "", "")).await?;
    una.lead_of(&of("Reception", "", "(44) 20-79460958", "")).await?;
    una.lead_of(&of("Somebody Else", "bob@engines.test", "12345", "Engines")).await?;
    let trashed = una.lead_of(&of("Ada Lovelace", "ada@engines.test", "", "")).await?;
    una.delete(&format!("/leads/{}", text(&trashed, "id"))).await?.expect(204)?;
    other.lead_of(&of("Ada Lovelace", "ada@engines.test", "+44 20 7946 0958", "Engines")).await?;

    let path = format!("/leads/{}/duplicates", text(&ada, "id"));
    let answer = una.get(&path).await?.expect(200)?;
    let right: Vec<(String, Vec<String>)> =
        [("Countess", "email"), ("Reception", "phone"), ("Lovelace, Ada", "name")]
            .map(|(name, reason)| (name.to_owned(), vec![reason.to_owned()]))
            .into();
    ensure!(alike(&answer) == right, "{}", answer.body);
    let row = &answer.items()[0]["lead"];
    ensure!(
        row["noteCount"] == 0 && row["createdBy"]["name"] == "Una" && row["email"] == "ADA@Engines.Test",
        "{row}"
    );
    let viewer = una.invite("Vera", "viewer").await?;
    ensure!(viewer.get(&path).await?.expect(200)?.body == answer.body);
    other.get(&path).await?.problem(404, "not-found")?;
    una.get(&format!("/leads/{}/duplicates", unknown_id())).await?.problem(404, "not-found")?;
    una.get(&format!("/leads/{}/duplicates", text(&trashed, "id"))).await?.problem(404, "not-found")?;
    una.get(&format!("{path}?limit=1")).await?.refused(400, &["limit"])?;
    Ok(())
}

async fn a_lead_that_is_being_typed_is_compared_too(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead_of(&json!({ "name": "Zoë Müller", "email": "zoe@engines.test", "phone": "030 1234567", "company": "Söhne" })).await?;
    let found = async |pairs: &[(&str, &str)]| -> Result<Vec<(String, Vec<String>)>> {
        Ok(alike(&una.get(&format!("/leads/duplicates{}", query(pairs))).await?.expect(200)?))
    };
    for pairs in [
        &[("email", "ZOE@engines.test")][..],
        &[("phone", "0301234567")],
        &[("name", "muller zoe"), ("company", "sohne")],
        &[("name", "Zoe Mueller"), ("email", "new@engines.test")],
    ] {
        let found = found(pairs).await?;
        ensure!(names(&found) == BTreeSet::from(["Zoë Müller"]), "{pairs:?}: {found:?}");
    }
    for pairs in [
        &[][..],
        &[("name", "Zoë Müller")],
        &[("email", "zoe@")],
        &[("phone", "12345")],
        &[("company", "Söhne")],
    ] {
        ensure!(found(pairs).await?.is_empty(), "{pairs:?}");
    }
    let hostile = encode("'\" OR 1=1 -- $where \u{202e}\u{0}");
    una.get(&format!("/leads/duplicates?email={hostile}&name={hostile}&company={hostile}&phone={hostile}"))
        .await?
        .expect(200)?;
    una.get(&format!("/leads/duplicates?name={}&x=1", "n".repeat(501)))
        .await?
        .refused(400, &["name", "x"])?;
    Ok(())
}
