"""Holds the files of deploy/ to each other and to the programs' sources. Run by scripts/check-deploy.

    check.py ROOT FILE…

A FILE.yaml holds manifests as kustomize writes them; into a FILE.rules go the dashboards' queries as rules, for promtool to read.
"""

import json
import re
import sys
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(sys.argv[1])
DEPLOY = ROOT / "deploy"
faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


def sources():
    for part in ("crates", "services", "gateway/src", "deploy/all-in-one"):
        for path in (ROOT / part).rglob("*.rs"):
            if "tests" not in path.parts and "testbed" not in path.parts:
                yield path.read_text()


SOURCE = "\n".join(sources())
SETTINGS = set(re.findall(r'"(LEADLINE_[A-Z_]+)"', SOURCE))


def check_settings(where, names):
    for name in names:
        if name.startswith("LEADLINE_") and name.removesuffix("_FILE") not in SETTINGS and name not in SETTINGS:
            fault(where, f"{name} is no setting of a program")


def check_compose():
    ours = {"gateway", "auth", "leads", "reminders", "analytics"}
    services, secrets, networks = {}, {}, {}
    for name in ("compose.yaml", "compose.observability.yaml"):
        content = yaml.safe_load((DEPLOY / name).read_text())
        for service, said in content["services"].items():
            check_settings(f"{name} {service}", said.get("environment", {}))
            # A later file adds to what an earlier one says.
            services[service] = said | services.get(service, {})
        secrets |= content["secrets"]
        networks |= content["networks"]
    for name, service in services.items():
        where = f"compose {name}"
        if not service.get("read_only"):
            fault(where, "its root file system can be written")
        # Spreadsheets that are made, files that are imported.
        if service.get("image", "").startswith("leadline:") and name in ("gateway", "leads"):
            if not any(":/tmp" in mount for mount in service.get("volumes", [])) and not service.get("tmpfs"):
                fault(where, "has no /tmp to write to")
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
            fault(where, "keeps capabilities or may gain privileges")
        if name not in ours and service.get("user", "0").split(":")[0] == "0":
            fault(where, "runs as root")
        if "memory" not in service.get("deploy", {}).get("resources", {}).get("limits", {}):
            fault(where, "has no limit of memory")
        if ":latest" in service["image"] and name not in ours:
            fault(where, "its image has no version")
        if name not in ("gateway", "grafana") and (service.get("ports") or "front" in service["networks"]):
            fault(where, "can be reached from outside")
        for network in service["networks"]:
            if network != "front" and not networks[network].get("internal"):
                fault(where, f"its network {network} leads outside")
        for secret in service.get("secrets", []):
            source = secret if isinstance(secret, str) else secret["source"]
            if source not in secrets:
                fault(where, f"there is no secret {source}")
        for other in service.get("depends_on", {}):
            if other not in services:
                fault(where, f"waits for {other}, which is not there")
    made = (DEPLOY / "secrets.sh").read_text()
    users = {"mongodb": ("auth", "leads", "reminders", "analytics"), "rabbitmq": ("auth", "leads", "reminders", "analytics", "gateway")}
    names = set(re.findall(r"^once ([a-z.-]+) ", made, re.M)) | {"rabbitmq-users.json"}
    names |= {f"{server}-{user}-password" for server, known in users.items() for user in known}
    names |= {f"{user}.conf" for user in users["rabbitmq"]}
    for name, secret in secrets.items():
        if Path(secret["file"]).name not in names:
            fault("compose", f"secrets.sh does not make {secret['file']}, the secret {name}")


def check_rights():
    """The broker's definitions against the topology in the sources, and the two places with MongoDB's rights."""
    definitions = json.loads((DEPLOY / "rabbitmq/leadline.json").read_text())
    topology = (ROOT / "crates/bus/src/topology.rs").read_text()
    names = set(re.findall(r'Subscription \{ name: "([a-z-]+)"', topology))
    declare = (ROOT / "crates/bus/src/rabbit/declare.rs").read_text()
    limit = int(re.search(r"DELIVERIES: i32 = (\d+)", declare)[1])
    queues = {queue["name"]: queue["arguments"] for queue in definitions["queues"]}
    expected = {f"leadline.{name}{end}" for name in names for end in ("", ".dead")}
    if set(queues) != expected:
        fault("rabbitmq/leadline.json", f"has the queues {sorted(queues)}, and the programs {sorted(expected)}")
    for name in names:
        arguments = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": "leadline.dead",
            "x-dead-letter-routing-key": name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": limit,
        }
        if queues.get(f"leadline.{name}") != arguments:
            fault("rabbitmq/leadline.json", f"leadline.{name} is declared otherwise by the programs")
    for name in re.findall(r'Bus::open\([^;]*?"([a-z-]+)"', SOURCE):
        wanted = f"leadline.listener.{name}.x"
        if name != "leadline" and not any(re.search(right["configure"], wanted) for right in definitions["permissions"]):
            fault("rabbitmq/leadline.json", f"nobody may make {wanted}")
    setup = (DEPLOY / "mongodb/setup.js").read_text()
    actions = re.findall(r'"(\w+)"', re.search(r"const ACTIONS = \[(.*?)\];", setup, re.S)[1])
    operated = yaml.safe_load((DEPLOY / "kubernetes/components/mongodb/mongodb.yaml").read_text())
    for role in operated["spec"]["security"]["roles"]:
        if role["privileges"][0]["actions"] != actions:
            fault("kubernetes mongodb.yaml", f"{role['role']} may do otherwise than in mongodb/setup.js")


def names_in(expression):
    return set(re.findall(r"\b(?:leadline|process)_[a-z_]+\b", expression))


def check_metrics():
    """A first look, by the sources. What programs really export is compared by exported.py."""
    known = {}
    for kind, name in re.findall(r'\b(counter|gauge|histogram)!\(\s*"((?:leadline|process)_[a-z_]+)"', SOURCE):
        known[name] = kind
    rules = yaml.safe_load((DEPLOY / "observability/rules/leadline.yml").read_text())
    rules = [rule for group in rules["groups"] for rule in group["rules"]]
    records = {rule["record"] for rule in rules if "record" in rule}
    tests = yaml.safe_load((DEPLOY / "observability/rules/leadline.test.yml").read_text())["tests"]
    fired = {rule["alertname"] for test in tests for rule in test.get("alert_rule_test", []) if rule.get("exp_alerts")}
    for rule in rules:
        if "alert" in rule and rule["alert"] not in fired:
            fault("leadline.test.yml", f"{rule['alert']} never fires there")
    uses = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules}
    queries = []
    for path in (DEPLOY / "observability/grafana/dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                queries.append(target["expr"])
                uses[f"{path.name}, {panel['title']}, {target['refId']}"] = target["expr"]
    for where, expression in uses.items():
        for name in names_in(re.sub(r'"[^"]*"', '""', expression)):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if not (name in known or known.get(base) == "histogram"):
                fault(where, f"no program exports {name}")
        for record in re.findall(r"\bleadline:[a-z0-9_:]+", expression):
            if record not in records:
                fault(where, f"no rule records {record}")
    return queries


def check_operators(where, manifests):
    """The operators' own kinds, which Kubernetes' schemas don't have."""
    schemas = json.loads((DEPLOY / "kubernetes/operators.schema.json").read_text())["$defs"]
    for manifest in manifests:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if "." in manifest["apiVersion"].split("/")[0] and not manifest["apiVersion"].split("/")[0].endswith(".k8s.io"):
            if kind not in schemas:
                fault(f"{where} {kind} {name}", "operators.schema.json does not know it")
                continue
            for error in jsonschema.Draft202012Validator(schemas[kind]).iter_errors(manifest):
                fault(f"{where} {kind} {name}", f"{'.'.join(map(str, error.absolute_path))}: {error.message}")


def check_manifests(path):
    manifests = [manifest for manifest in yaml.safe_load_all(path.read_text()) if manifest]
    check_operators(path.name, manifests)
    by_kind = {}
    for manifest in manifests:
        by_kind.setdefault(manifest["kind"], {})[manifest["metadata"]["name"]] = manifest
    deployments = by_kind["Deployment"]
    labels = [deployment["spec"]["template"]["metadata"]["labels"] for deployment in deployments.values()]

    def matches(selector):
        return any(all(item in found.items() for item in selector.items()) for found in labels)

    for kind in ("Service", "PodDisruptionBudget"):
        for name, manifest in by_kind[kind].items():
            selector = manifest["spec"]["selector"]
            if not matches(selector.get("matchLabels", selector)):
                fault(f"{path.name} {kind} {name}", "selects no pod")
    for name, policy in by_kind["NetworkPolicy"].items():
        where = f"{path.name} NetworkPolicy {name}"
        chosen = policy["spec"]["podSelector"].get("matchLabels", {})
        if chosen.get("app.kubernetes.io/name") == "leadline" and not matches(chosen):
            fault(where, "selects no pod")
        for rule in policy["spec"].get("egress", []) + policy["spec"].get("ingress", []):
            for peer in rule.get("to", []) + rule.get("from", []):
                selector = peer.get("podSelector", {}).get("matchLabels", {})
                if "namespaceSelector" in peer and "app.kubernetes.io/name" in selector:
                    fault(where, "looks for our label in another namespace")
                if selector.get("app.kubernetes.io/name") == "leadline" and not matches(selector):
                    fault(where, f"allows {selector}, which no pod has")
    if "nobody" not in by_kind["NetworkPolicy"]:
        fault(path.name, "nothing is denied by default")
    configured = by_kind["ConfigMap"]
    for name, deployment in deployments.items():
        where = f"{path.name} Deployment {name}"
        if name not in by_kind["PodDisruptionBudget"]:
            fault(where, "has no PodDisruptionBudget")
        if deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
            fault(where, "is away for a moment when it is updated")
        pod = deployment["spec"]["template"]["spec"]
        if not pod["securityContext"].get("runAsNonRoot") or pod["securityContext"]["seccompProfile"]["type"] != "RuntimeDefault":
            fault(where, "is not restricted")
        (container,) = pod["containers"]
        context = container["securityContext"]
        if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
            fault(where, "keeps capabilities or may gain privileges")
        if not context.get("readOnlyRootFilesystem"):
            fault(where, "its root file system can be written")
        if where.split("/")[-1].split()[-1] in ("gateway", "leads") and "/tmp" not in [mount["mountPath"] for mount in container["volumeMounts"]]:
            fault(where, "has no /tmp to write to")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe not in container:
                fault(where, f"has no {probe}")
            service = container.get(probe, {}).get("grpc", {}).get("service")
            if service and f'"{service}"' not in SOURCE:
                fault(where, f"asks for the health of {service}, which no program tells")
        if container["lifecycle"]["preStop"]["sleep"]["seconds"] + 10 >= pod["terminationGracePeriodSeconds"]:
            fault(where, "is killed before it has stopped")
        if {mount["name"] for mount in container["volumeMounts"]} != {volume["name"] for volume in pod["volumes"]}:
            fault(where, "mounts other volumes than it has")
        settings = {variable["name"]: variable["value"] for variable in container.get("env", [])}
        check_settings(where, settings)
        for source in container.get("envFrom", []):
            if source["configMapRef"]["name"] not in configured:
                fault(where, f"there is no ConfigMap {source['configMapRef']['name']}")
            settings |= configured.get(source["configMapRef"]["name"], {}).get("data", {})
        for setting, value in settings.items():
            if value.startswith("/etc/") and not any(value.startswith(mount["mountPath"] + "/") for mount in container["volumeMounts"]):
                fault(where, f"{setting} is {value}, where nothing is mounted")
    for name, manifest in configured.items():
        check_settings(f"{path.name} ConfigMap {name}", manifest.get("data", {}))
    for name, scaler in by_kind.get("HorizontalPodAutoscaler", {}).items():
        target = scaler["spec"]["scaleTargetRef"]["name"]
        if target not in deployments or "replicas" in deployments[target]["spec"]:
            fault(f"{path.name} HorizontalPodAutoscaler {name}", "scales what is not there, or what has a fixed number")


check_compose()
check_rights()
queries = check_metrics()
for argument in sys.argv[2:]:
    if argument.endswith(".rules"):
        queries = [{"record": f"query{number}", "expr": query} for number, query in enumerate(queries)]
        Path(argument).write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": queries}]}))
    else:
        check_manifests(Path(argument))
for line in faults:
    print(line, file=sys.stderr)
sys.exit(1 if faults else 0)
