"""Opens the files that Leadline makes with other programs: openpyxl, and LibreOffice and Poppler where they are installed.

Every cell of a workbook of leads is compared with the CSV of the same leads, every figure with the API's. What is not as it
should be ends it with an error that says what was found.
"""

import argparse
import csv
import io
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path

import openpyxl
from openpyxl.utils.escape import unescape

# Cells that spreadsheets, readers of CSV or fonts have stumbled over.
HOSTILE = [
    ("=HYPERLINK(\"http://x.example\",\"x\")", "+44 20 1", "@SUM(A1)"),
    ("-1+1|cmd", "0301234567", "Müller & Söhne <AG>"),
    ("'quoted'", "", "line\u2028break"),
    ("Ωμέγα Жанна 李雷 🦊", "+49 (0)30 123", "=1+1"),
    ("1.000,50", "12", "2026-01-31"),
    ("TRUE", "", "#N/A"),
    ("_x0041_", "", "a\"b,c;d"),
    ("مرحبا", "", "  "),
]


class Leadline:
    """A program of our own, in a folder of our own."""

    def __init__(self, program, folder):
        env = dict(
            os.environ,
            LEADLINE_LISTEN="127.0.0.1:0",
            LEADLINE_DATA_DIR=str(folder / "data"),
            LEADLINE_METRICS_LISTEN="off",
            LEADLINE_RATE_LIMITS="off",
            LEADLINE_LOG="warn,leadline_runtime::stop=info",
        )
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen([program], env=env, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = ""
        while not line.startswith("listening on "):
            line = self.process.stdout.readline()
            if not line:
                self.log.seek(0)
                raise SystemExit(f"leadline did not start:\n{self.log.read()}")
        self.base = line.removeprefix("listening on ").strip()
        self.token = None

    def ask(self, method, path, body=None, kind="application/json"):
        headers = {"content-type": kind}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"{self.base}/api/v1{path}", method=method, data=body, headers=headers)
        return urllib.request.urlopen(request, timeout=600)

    def json(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        return json.load(self.ask(method, path, data))

    def sign_in(self, person):
        """For as long as a token lasts; gives when."""
        self.token = None
        asked = {key: person[key] for key in ("email", "password", "session")}
        self.token = self.json("POST", "/auth/login", asked)["accessToken"]
        return time.monotonic()

    def save(self, path, to):
        with self.ask("GET", path) as answer, open(to, "wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
        return to

    def end(self):
        self.process.terminate()
        if self.process.wait(60) != 0:
            raise SystemExit("leadline did not end in good order")


def check(holds, what):
    if not holds:
        raise SystemExit(f"not as it should be: {what}")


# A file may have 100 MiB.
MOST_ROWS = 500_000


def table(first, end):
    """A CSV of leads with hostile cells, of those numbers."""
    out = io.StringIO()
    write = csv.writer(out).writerow
    write(["Name", "Email", "Phone", "Company", "Source", "Status", "Tags", "Created at"])
    sources, stages = ["Website", "Referral", "Ad", "Other"], ["New", "Contacted", "Qualified", "Converted", "Lost"]
    for n in range(first, end):
        name, phone, company = HOSTILE[n % len(HOSTILE)]
        day = f"2026-{1 + n % 10:02}-{1 + n % 28:02}T09:30:00Z"
        write([f"{name} {n}", f"a{n}@example.test", phone, company, sources[n % 4], stages[n % 5], "one|two", day])
    return out.getvalue().encode()


def plain(cell):
    """A cell of the CSV as it was meant: an apostrophe keeps what looks like a formula from being one."""
    guarded = cell.startswith("'") and cell.lstrip("'").startswith(("=", "+", "-", "@", "\t", "\r"))
    return cell[1:] if guarded else cell


def same_leads(book, rows):
    """Every cell of the workbook is that of the CSV, a text or a date, never a formula."""
    opened = openpyxl.load_workbook(book, read_only=True)
    lines = csv.reader(io.TextIOWrapper(open(rows, "rb"), "utf-8-sig", newline=""))
    header, seen = next(lines), 0
    for sheet in opened.worksheets:
        for number, cells in enumerate(sheet.iter_rows()):
            values = ["" if cell.value is None else cell.value for cell in cells]
            if number == 0:
                check([str(value) for value in values] == header, f"the header of {sheet.title}: {values}")
                continue
            line = next(lines, None)
            check(line is not None, f"{sheet.title} has more rows than the CSV")
            check(len(values) == len(line), f"{len(values)} cells instead of {len(line)}")
            check(all(cell.data_type != "f" for cell in cells), f"a formula in row {number + 1} of {sheet.title}")
            for name, value, text in zip(header, values, line):
                if isinstance(value, datetime):
                    value, text = value.isoformat()[:16], text[:16].replace(" ", "T")
                # As Excel does and openpyxl leaves to its caller: `_x005F_` stands for a `_` that would begin such a code.
                check(unescape(str(value)) == plain(text), f"row {number + 1} of {sheet.title}, {name}: {value!r} instead of {text!r}")
            seen += 1
    check(next(lines, None) is None, "the CSV has more rows than the workbook")
    return len(opened.worksheets), seen


def cells(sheet):
    """The first two columns of a sheet of figures, by name."""
    return {row[0]: row[1] for row in sheet.iter_rows(values_only=True) if len(row) > 1 and row[0] is not None}


def figures(leadline, folder):
    """The figures of the workbooks are the API's, and the charts are there."""
    book = openpyxl.load_workbook(leadline.save("/analytics/export?format=xlsx&tz=UTC", folder / "analytics.xlsx"))
    summary, shown = leadline.json("GET", "/analytics/summary?tz=UTC"), cells(book["Summary"])
    for name, member in [("Total leads", "totalLeads"), ("New today", "newToday"), ("Lost this month", "lostThisMonth")]:
        check(shown.get(name) == summary[member], f"{name}: {shown.get(name)} instead of {summary[member]}")
    for sheet, path, member in [("By status", "by-status", "status"), ("By source", "by-source", "source")]:
        shown = cells(book[sheet])
        for item in leadline.json("GET", f"/analytics/{path}?tz=UTC")["items"]:
            check(shown.get(item[member]) == item["count"], f"{sheet}: {shown} and not {item}")
    charts = sum(len(sheet._charts) for sheet in book.worksheets)
    check(charts >= 3, f"{charts} charts in the figures")

    report = leadline.json("GET", "/analytics/report?period=month&tz=UTC")
    book = openpyxl.load_workbook(leadline.save("/reports/monthly?format=xlsx&tz=UTC", folder / "month.xlsx"))
    shown = cells(book["Summary"])
    for name in ["Created", "Contacted", "Qualified", "Converted", "Lost"]:
        right = report["figures"][name.lower()]
        check(shown.get(name) == right, f"{name} of the month: {shown.get(name)} instead of {right}")
    return charts


def office(folder, leads):
    """LibreOffice reads the workbooks: the leads become as many lines of CSV, the figures become pages."""
    run = ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile"]
    for kind, names in [("csv:Text - txt - csv (StarCalc):44,34,76", ["leads.xlsx"]), ("pdf", ["analytics.xlsx", "month.xlsx"])]:
        files = [str(folder / name) for name in names]
        done = subprocess.run([*run, "--convert-to", kind, "--outdir", folder / "office", *files], capture_output=True, text=True, timeout=600)
        check(done.returncode == 0, f"LibreOffice converts {names}: {done.stdout}{done.stderr[-500:]}")
    with open(folder / "office" / "leads.csv", encoding="utf-8", newline="") as file:
        lines = sum(1 for _ in csv.reader(file)) - 1
    check(lines == leads, f"LibreOffice found {lines} leads instead of {leads}")
    for name in ["analytics.pdf", "month.pdf"]:
        check((folder / "office" / name).read_bytes().startswith(b"%PDF"), f"LibreOffice made no {name}")


def pages(leadline, folder):
    """Poppler reads the month's PDF: its text is text, and its fonts are in it."""
    file = leadline.save("/reports/monthly?tz=UTC", folder / "report.pdf")
    text = subprocess.run(["pdftotext", "-layout", file, "-"], check=True, capture_output=True, text=True).stdout
    check("Öffner" in text, f"the workspace's name is not in the report:\n{text[:500]}")
    fonts = subprocess.run(["pdffonts", file], check=True, capture_output=True, text=True).stdout.splitlines()[2:]
    check(fonts and all(" yes " in line for line in fonts), f"fonts are not embedded: {fonts}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the program, such as target/debug/leadline")
    parser.add_argument("--rows", type=int, default=400, help="how many leads (400; above 1,048,575 there are two sheets)")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="leadline-files-"))
    leadline = Leadline(asked.program, folder)
    try:
        person = {"name": "Öffner", "email": "o@example.test", "password": "correct horse battery 9", "session": "token"}
        leadline.json("POST", "/auth/register", person)
        signed_in = leadline.sign_in(person)
        for first in range(0, asked.rows, MOST_ROWS):
            end = min(first + MOST_ROWS, asked.rows)
            state = json.load(leadline.ask("POST", "/leads/import?onDuplicate=create", table(first, end), "text/csv"))
            while state["state"] in ("queued", "running"):
                time.sleep(0.2)
                if time.monotonic() > signed_in + 300:
                    signed_in = leadline.sign_in(person)
                state = leadline.json("GET", f"/leads/imports/{state['id']}")
            check(state["state"] == "done" and state["created"] == end - first, f"the import: {state}")
        leadline.sign_in(person)
        while leadline.json("GET", "/analytics/summary?tz=UTC")["totalLeads"] != asked.rows:
            time.sleep(0.2)

        book = leadline.save("/leads/export?format=xlsx&sort=name&tz=UTC", folder / "leads.xlsx")
        rows = leadline.save("/leads/export?format=csv&sort=name&tz=UTC", folder / "leads.csv")
        sheets, seen = same_leads(book, rows)
        check(seen == asked.rows, f"{seen} leads instead of {asked.rows}")
        print(f"openpyxl: {seen} leads on {sheets} sheet(s) as in the CSV, {figures(leadline, folder)} charts, figures as the API's")
        if shutil.which("soffice") and asked.rows <= 100_000:
            office(folder, asked.rows)
            print("LibreOffice: as many leads, figures and month as pages")
        if shutil.which("pdftotext"):
            pages(leadline, folder)
            print("Poppler: the report's text and its fonts")
    finally:
        leadline.end()
        shutil.rmtree(folder, ignore_errors=True)


main()
