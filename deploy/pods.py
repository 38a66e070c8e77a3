"""What rendered manifests and the Dockerfile say of each pod, for scripts/rehearse, which starts the same without containers.

    pods.py DOCKERFILE MANIFESTS FOLDER

Writes into FOLDER: plan.sh, arrays by the pod's name for bash; NAME.env, a setting a line; mongodb.jsonl, the commands that
give MongoDB the operator's roles and users, with the passwords in FOLDER/secrets.
"""

import json
import re
import shlex
import sys
from pathlib import Path

import yaml

dockerfile, manifests, folder = map(Path, sys.argv[1:])

# The image: what stands behind its last FROM.
image = re.split(r"^FROM ", dockerfile.read_text().replace("\\\n", " "), flags=re.M)[-1]
image_environment = dict(word.split("=", 1) for line in re.findall(r"^ENV (.*)", image, re.M) for word in shlex.split(line))
image_folder = re.search(r"^WORKDIR (\S+)", image, re.M)[1]

by_kind = {}
for manifest in yaml.safe_load_all(manifests.read_text()):
    by_kind.setdefault(manifest["kind"], {})[manifest["metadata"]["name"]] = manifest

plan = {name: {} for name in ("replicas", "least_ready", "user", "command", "port", "pause", "grace", "mounts", "startup", "readiness", "liveness")}


def probe(name, probe, ports):
    """KIND PORT WHAT PERIOD TIMEOUT FAILURES; Kubernetes' own values where there are none."""
    if "grpc" in probe:
        service = probe["grpc"].get("service")
        # What the program's own command `health` asks for.
        assert service in (None, f"leadline.{name}.v1.{name.capitalize()}Service"), service
        asked = ["grpc", probe["grpc"]["port"], "ready" if service else "alive"]
    elif "exec" in probe:
        # The same command, run in the pod: with TLS the kubelet can't ask by itself.
        program, *arguments = probe["exec"]["command"]
        assert program == f"leadline-{name}" and arguments in (["health"], ["health", "--check", "ready"]), probe
        asked = ["exec", 0, "ready" if "ready" in arguments else "alive"]
    else:
        port = probe["httpGet"]["port"]
        asked = ["http", ports.get(port, port), probe["httpGet"]["path"]]
    limits = [probe.get("periodSeconds", 10), probe.get("timeoutSeconds", 1), probe.get("failureThreshold", 3)]
    return " ".join(map(str, asked + limits))


for name, deployment in by_kind["Deployment"].items():
    spec = deployment["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}, "the script replaces one after another"
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    environment = dict(image_environment)
    for source in container.get("envFrom", []):
        environment |= by_kind["ConfigMap"][source["configMapRef"]["name"]]["data"]
    environment |= {variable["name"]: variable["value"] for variable in container.get("env", [])}
    (folder / f"{name}.env").write_text("".join(f"{key}={value}\n" for key, value in environment.items()))
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = []
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        mounts.append(f'{mount["mountPath"]}={volume["secret"]["secretName"] if "secret" in volume else "empty"}')
    said = {
        "replicas": spec["replicas"],
        "least_ready": spec.get("minReadySeconds", 0),
        "user": f'{pod["securityContext"]["runAsUser"]}:{pod["securityContext"]["runAsGroup"]}',
        "command": shlex.join(container["command"] + container.get("args", [])),
        "port": ports.get("http") or ports["grpc"],
        "pause": container["lifecycle"]["preStop"]["sleep"]["seconds"],
        "grace": pod["terminationGracePeriodSeconds"],
        "mounts": " ".join(mounts),
    }
    for kind in ("startup", "readiness", "liveness"):
        said[kind] = probe(name, container[f"{kind}Probe"], ports)
    for key, value in said.items():
        plan[key][name] = value

lines = [f"image_folder={shlex.quote(image_folder)}"]
for key, values in plan.items():
    lines.append(f"declare -A {key}=({' '.join(f'[{name}]={shlex.quote(str(value))}' for name, value in values.items())})")
(folder / "plan.sh").write_text("\n".join(lines) + "\n")

security = by_kind["MongoDBCommunity"]["leadline-mongodb"]["spec"]
commands = []
for role in security["security"]["roles"]:
    commands.append({"createRole": role["role"], "privileges": role["privileges"], "roles": role["roles"]})
for user in security["users"]:
    password = (folder / f"secrets/mongodb-{user['name']}-password").read_text().strip()
    roles = [{"role": role["name"], "db": role["db"]} for role in user["roles"]]
    commands.append({"createUser": user["name"], "pwd": password, "roles": roles})
(folder / "mongodb.jsonl").write_text("".join(json.dumps(command) + "\n" for command in commands))
