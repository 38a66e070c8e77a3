#!/bin/bash
# Starts the mongod of compose.yaml: a replica set of one, since transactions need one, with authentication.
set -euo pipefail

# mongod refuses a key that others can read, and as a secret it is mounted with the rights that it has outside.
install -m 400 /run/secrets/mongodb-keyfile /tmp/keyfile

# transactionLifetimeLimitSeconds: the locks of a process that was killed in the middle of a write are free again after seconds
# instead of a minute. Leadline's own transactions end within ten.
exec docker-entrypoint.sh mongod \
  --replSet leadline --keyFile /tmp/keyfile --bind_ip_all \
  --wiredTigerCacheSizeGB "${CACHE_GB:-0.5}" \
  --setParameter transactionLifetimeLimitSeconds=15
