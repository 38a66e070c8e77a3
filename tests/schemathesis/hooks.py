"""Who asks, and for what: without this, nearly every valid request would be for something that is not there.

The caller is somebody new every two minutes, the owner of a workspace of their own. Of the requests that the description
allows, most are turned to things that there are, and lose what would have them refused early: an `If-Match` that happens
not to match, a cursor and a time zone out of thin air. What is drawn depends on the request alone, so that a seed gives the
same requests again. Requests that the description forbids go out as they are.
"""

import os
import random
import uuid

import requests
import schemathesis
from schemathesis import GenerationMode

URL = os.environ["LEADLINE_URL"] + "/api/v1"


class Person:
    """The caller, and the things that are there for them."""

    def __init__(self):
        email = f"{uuid.uuid4().hex}@example.test"
        account = {"name": "Una", "email": email, "password": "a long enough passphrase 7", "session": "token"}
        answer = requests.post(f"{URL}/auth/register", json=account, timeout=10).json()
        self.token, self.user = answer["accessToken"], answer["user"]["id"]
        self.things = {}

    def post(self, path, body):
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.post(URL + path, json=body, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def made(self, path, body):
        return self.post(path, body)["id"]

    def member(self):
        invitation = {"email": f"{uuid.uuid4().hex}@example.test", "role": "member"}
        token = self.post("/workspace/invitations", invitation)["token"]
        account = {"token": token, "name": "Max", "password": "a long enough passphrase 7", "session": "token"}
        return self.post("/auth/invitations/accept", account)["user"]["id"]

    def ids(self, path):
        """Identifiers for the parameters of a path."""
        if path.startswith("/api/v1/workspace/members/"):
            return {"userId": self.member()}
        lead = self.made("/leads", {"name": "Ada"})
        if path.endswith("/{noteId}"):
            return {"id": lead, "noteId": self.made(f"/leads/{lead}/notes", {"text": "Hello"})}
        if path.startswith("/api/v1/reminders/"):
            due = {"leadId": lead, "dueAt": "2031-01-01T00:00:00Z", "message": "Call"}
            return {"id": self.made("/reminders", due)}
        if path.startswith("/api/v1/workspace/invitations/"):
            invitation = {"email": f"{uuid.uuid4().hex}@example.test", "role": "member"}
            return {"id": self.made("/workspace/invitations", invitation)}
        if path.startswith("/api/v1/leads/"):
            return {"id": lead}
        return {}

    def ids_once(self, path, fresh):
        """The same, made at most every few times."""
        ids, uses = self.things.get(path, ({}, 0))
        if fresh or uses == 0:
            ids, uses = self.ids(path), 20
        self.things[path] = (ids, 0 if fresh else uses - 1)
        return ids


person = None


@schemathesis.auth(refresh_interval=120)
class SomebodyNew:
    def get(self, case, context):
        global person
        person = Person()
        return person.token

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, kwargs):
    meta = case.meta
    allowed = meta is not None and meta.generation.mode == GenerationMode.POSITIVE
    if person is None or not allowed or meta.phase.name == "stateful":
        return
    draw = random.Random(repr((case.method, case.path, case.path_parameters, case.query, case.body)))
    if case.path_parameters and draw.random() < 0.8:
        ids = person.ids_once(case.path, case.method == "DELETE")
        case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
    for header in ["If-Match", "Idempotency-Key"]:
        if header in case.headers and draw.random() < 0.8:
            del case.headers[header]
    if "cursor" in case.query and draw.random() < 0.8:
        del case.query["cursor"]
    if isinstance(case.body, dict):
        for field in ["ownerId", "assigneeId", "assignTo"]:
            if isinstance(case.body.get(field), str) and draw.random() < 0.8:
                case.body[field] = person.user
        if "leadId" in case.body and draw.random() < 0.8:
            case.body["leadId"] = person.ids_once("/api/v1/leads/{id}", False)["id"]
    if "tz" in case.query and draw.random() < 0.8:
        case.query["tz"] = "Europe/Berlin"
