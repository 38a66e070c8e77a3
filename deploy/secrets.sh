#!/usr/bin/env bash
# Makes the secrets of a deployment, once: keys, passwords, and one settings file a program with its addresses in it.
# Run again, it keeps every key and password that is there and writes what is made of them anew.
#
#   deploy/secrets.sh [FOLDER]        FOLDER is deploy/secrets unless given
#
# MONGODB, MONGODB_OPTIONS and RABBITMQ say where the servers are, if not where compose.yaml has them; RABBITMQ_SCHEME=amqps that
# RABBITMQ is reached over TLS. For a MongoDB over TLS, MONGODB_OPTIONS has tls=true&tlsCAFile=PATH (docs/OPERATING.md).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/secrets}
mongodb=${MONGODB:-mongodb:27017}
mongodb_options=${MONGODB_OPTIONS:-replicaSet=leadline&authSource=admin}
rabbitmq=${RABBITMQ:-rabbitmq:5672}
rabbitmq_scheme=${RABBITMQ_SCHEME:-amqp}
case $rabbitmq_scheme in
  amqp | amqps) ;;
  *) echo "RABBITMQ_SCHEME must be amqp or amqps, not $rabbitmq_scheme" >&2; exit 2 ;;
esac

command -v openssl >/dev/null || { echo 'missing: openssl' >&2; exit 1; }

# Nobody else may enter the folder. The files in it are mounted one by one into containers, whose users have other numbers
# than their owner here, so the files themselves must be readable by all.
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"
umask 022

# once NAME COMMAND…: what the command writes, unless the file is there. Whole or not at all.
once() {
  local name=$1
  shift
  [ -s "$name" ] && return
  "$@" >"$name.unfinished"
  mv "$name.unfinished" "$name"
}

password() { openssl rand -hex 24; }

once mongodb-keyfile openssl rand -base64 741
once signing-keys.pem openssl genpkey -algorithm ed25519
once service-secret openssl rand -hex 32
once mongodb-root-password password
once grafana-password password
for user in auth leads reminders analytics; do
  once "mongodb-$user-password" password
done
for user in auth leads reminders analytics gateway; do
  once "rabbitmq-$user-password" password
done

# RabbitMQ's form of a password: a salt of four bytes, and the SHA-256 of salt and password.
rabbitmq_hash() {
  local salt bytes
  salt=$(openssl rand -hex 4)
  bytes="\\x${salt:0:2}\\x${salt:2:2}\\x${salt:4:2}\\x${salt:6:2}"
  # shellcheck disable=SC2059 # the bytes are the format
  { printf "$bytes"; { printf "$bytes"; printf %s "$1"; } | openssl dgst -sha256 -binary; } | openssl base64 -A
}

{
  printf '{"users": ['
  comma=
  for user in auth leads reminders analytics gateway; do
    hash=$(rabbitmq_hash "$(cat "rabbitmq-$user-password")")
    printf '%s\n  {"name": "%s", "password_hash": "%s", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}' \
      "$comma" "$user" "$hash"
    comma=,
  done
  printf '\n]}\n'
} >rabbitmq-users.json

# LEADLINE_STORE and LEADLINE_BUS hold passwords, so they stand in a file that LEADLINE_CONFIG names.
bus() { printf 'LEADLINE_BUS=%s://%s:%s@%s/leadline\n' "$rabbitmq_scheme" "$1" "$(cat "rabbitmq-$1-password")" "$rabbitmq"; }
for user in auth leads reminders analytics; do
  {
    printf 'LEADLINE_STORE=mongodb://%s:%s@%s/leadline?%s\n' \
      "$user" "$(cat "mongodb-$user-password")" "$mongodb" "$mongodb_options"
    bus "$user"
  } >"$user.conf"
done
bus gateway >gateway.conf

chmod 644 ./*
echo "The secrets are in $folder. Keep a copy of them where your backups are."
