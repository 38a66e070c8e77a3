// Run by `mongosh --nodb --file`, as often as you like: makes the replica set if there is none, and gives each service a user
// that may do in the service's own database what the service does there, and nothing anywhere else.
//
// FOLDER holds the passwords, HOST is the member's address as the services reach it, PREFIX begins the databases' names.
const { readFileSync } = require("fs");
const { FOLDER = "/run/secrets", HOST = "mongodb:27017", PREFIX = "leadline" } = process.env;

const password = (name) => readFileSync(`${FOLDER}/mongodb-${name}-password`, "utf8").trim();
const admin = connect(`mongodb://root:${password("root")}@${HOST}/admin?directConnection=true&authSource=admin`);

try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  print(`making the replica set: ${HOST}`);
  admin.adminCommand({ replSetInitiate: { _id: "leadline", members: [{ _id: 0, host: HOST }] } });
}
while (!admin.hello().isWritablePrimary) {
  print("waiting for the primary");
  sleep(500);
}

// What a service does: its rows, and its schema at start. It may not drop what it has.
const ACTIONS = [
  "find", "insert", "update", "remove", "changeStream",
  "createCollection", "collMod", "bypassDocumentValidation", "listCollections",
  "createIndex", "dropIndex", "listIndexes", "collStats", "dbStats",
];

for (const service of ["auth", "leads", "reminders", "analytics"]) {
  const database = `${PREFIX}_${service}`;
  const privileges = [{ resource: { db: database, collection: "" }, actions: ACTIONS }];
  if (admin.getRole(database)) admin.updateRole(database, { privileges, roles: [] });
  else admin.createRole({ role: database, privileges, roles: [] });

  const user = { pwd: password(service), roles: [{ role: database, db: "admin" }] };
  if (admin.getUser(service)) admin.updateUser(service, user);
  else admin.createUser({ user: service, ...user });
}
print("the users of the services are there");
