#!/bin/bash
# Starts the mongod of compose.yaml: a replica set of one, since transactions need one, with authentication.
set -euo pipefail

# mongod refuses a key that others can read, and as a secret it is mounted with the rights that it has outside.
install -m 400 /run/secrets/mongodb-keyfile /tmp/keyfile

# wiredTigerEngineConfigString: how much of the cache may wait to be written, in percent. With the 5 that the server takes by itself,
# of a cache this small, it writes the pages of indexes again and again while a file is imported: that took a quarter of its time.
# Nothing depends on it but speed: what is committed is in the journal.
#
# transactionLifetimeLimitSeconds: the locks of a process that was killed in the middle of a write are free again after seconds
# instead of a minute. Leadline's own transactions end within ten.
exec docker-entrypoint.sh mongod \
  --replSet leadline --keyFile /tmp/keyfile --bind_ip_all \
  --wiredTigerCacheSizeGB "${CACHE_GB:-0.5}" \
  --wiredTigerEngineConfigString \
  eviction_dirty_target=20,eviction_dirty_trigger=40,eviction_updates_target=10,eviction_updates_trigger=30 \
  --setParameter transactionLifetimeLimitSeconds=15
