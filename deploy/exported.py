"""Looks up every metric, label and value that the alert rules and dashboards name in what running programs export.

    exported.py FILE.prom…        run by scripts/check-exported

Values that a short run can't bring about are those of standards: HTTP's statuses and gRPC's codes.
"""

import json
import re
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent / "observability"
# What Prometheus says itself of whom it asks.
OF_TARGETS = {"job", "instance", "service"}
STANDARD = {
    "status": {str(status) for status in range(100, 600)},
    "code": set(
        "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED "
        "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED".split()
    ),
}
STRING = r'"(?:[^"\\]|\\.)*"'
faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


def values_of(quoted):
    """A string of PromQL's, without its quotes."""
    return quoted[1:-1].encode().decode("unicode_escape")


class Exports:
    """Every series of every file."""

    def __init__(self, paths):
        self.series, self.kinds = {}, {}
        for path in paths:
            for line in path.read_text().splitlines():
                if kind := re.match(r"# TYPE (\S+) (\S+)$", line):
                    self.kinds[kind[1]] = kind[2]
                if found := re.match(rf"([a-z_]\w*)(\{{(?:[^{{}}\"]|{STRING})*\}})? \S+$", line):
                    labels = {name: values_of(value) for name, value in re.findall(rf"(\w+)=({STRING})", found[2] or "")}
                    self.series.setdefault(found[1], []).append(labels)

    def labels(self, metric):
        return {name for labels in self.series.get(metric, []) for name in labels}

    def values(self, metric, label):
        return {labels[label] for labels in self.series.get(metric, []) if label in labels}

    def grows(self, metric):
        return self.kinds.get(metric) == "counter" or self.kinds.get(re.sub(r"_(bucket|sum|count)$", "", metric)) == "histogram"

    def has_any(self, prefix):
        return any(name.startswith(prefix) for name in self.series)


def selectors(expression):
    """Each metric in it, with its conditions: label, operator, value."""
    for found in re.finditer(rf"{STRING}|([a-zA-Z_][\w:]*)\s*(\{{(?:[^{{}}\"]|{STRING})*\}})?", expression):
        name = found[1] or ""
        if name == "up" or re.match(r"(leadline|process|rabbitmq)[_:]", name):
            yield name, [(label, operator, values_of(value)) for label, operator, value in re.findall(rf"(\w+)\s*(=~|!~|!=|=)\s*({STRING})", found[2] or "")]


def alternatives(pattern):
    """Those of a regular expression's outermost level."""
    depth, start = 0, 0
    for at, sign in enumerate(pattern):
        depth += (sign in "([") - (sign in ")]")
        if sign == "|" and depth == 0:
            yield pattern[start:at]
            start = at + 1
    yield pattern[start:]


def kept_labels(expression):
    return {label for words in re.findall(r"\bby\s*\(([^)]*)\)", expression) for label in re.findall(r"\w+", words)}


def check(where, expression, shown, exports, records, targets):
    """`shown` are the labels that its summary or its legend names."""
    there = set(OF_TARGETS)
    for metric, conditions in selectors(expression):
        if metric in records:
            there |= kept_labels(records[metric])
            continue
        if metric.startswith("rabbitmq_") and not exports.has_any("rabbitmq_"):
            there |= {label for label, _, _ in conditions} | kept_labels(expression)
            continue
        if metric != "up" and metric not in exports.series:
            fault(where, f"no program exports {metric}")
            continue
        there |= exports.labels(metric)
        for label, operator, value in conditions:
            if label in OF_TARGETS:
                known = targets[label] | {""}
            elif label in exports.labels(metric):
                known = exports.values(metric, label) | STANDARD.get(label, set())
            else:
                fault(where, f"{metric} has no label {label}")
                continue
            for wanted in alternatives(value) if "~" in operator else [re.escape(value)]:
                if not any(re.fullmatch(wanted, one) for one in known):
                    fault(where, f"{label} of {metric} is never {wanted!r}")
    for metric in re.findall(r"\b(?:rate|irate|increase)\(\s*((?:leadline|process)_\w+)", expression):
        if metric in exports.series and not exports.grows(metric):
            fault(where, f"{metric} is no counter, and has no rate")
    for words in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression):
        for label in set(re.findall(r"\w+", words)) - there:
            fault(where, f"nothing in it has a label {label}")
    if re.search(r"(?<![:\w])(sum|max|min|avg|count)\s*(by\b|\()", expression):
        there = kept_labels(expression)
    for label in shown - there:
        fault(where, f"shows {label}, which it has not")


def main():
    exports = Exports([Path(argument) for argument in sys.argv[1:]])
    scraped = yaml.safe_load((HERE / "prometheus.yml").read_text())["scrape_configs"]
    names = {name for config in scraped for found in config.get("dns_sd_configs", []) for name in found["names"]}
    targets = {"job": {config["job_name"] for config in scraped}, "service": names, "instance": set()}
    rules = [rule for group in yaml.safe_load((HERE / "rules/leadline.yml").read_text())["groups"] for rule in group["rules"]]
    records = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    count = 0
    for rule in rules:
        shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule.get("annotations", {}).values())))
        check(rule.get("alert") or rule["record"], rule["expr"], shown, exports, records, targets)
        count += 1
    for path in (HERE / "grafana/dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                where = f"{path.name}, {panel['title']}, {target['refId']}"
                shown = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
                check(where, target["expr"], shown, exports, records, targets)
                count += 1
    for metric in exports.series:
        if metric.startswith("leadline_"):
            for label in OF_TARGETS & exports.labels(metric):
                fault(metric, f"its label {label} is what Prometheus says of the program")
            for label, standard in STANDARD.items():
                for value in exports.values(metric, label) - standard:
                    fault(metric, f"{label} is {value!r}, which the standard has not")
    for line in faults:
        print(line, file=sys.stderr)
    if not exports.has_any("rabbitmq_"):
        print("   not looked up: RabbitMQ's metrics (scripts/rehearse brings them)")
    print(f"   {count} rules and queries, {len(exports.series)} metrics")
    sys.exit(1 if faults else 0)


main()
