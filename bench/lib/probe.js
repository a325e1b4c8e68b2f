// probe.js: when writes are answered again after a leader was killed.
//
// Writers do not wait for one another: an attempt begins every few milliseconds, on the survivors in
// turn, and the first to be acknowledged counts. So a system that lets a request wait until there is a
// leader, and one that loses it and answers seconds later, are measured alike.
'use strict';

const {sleep} = require('../../tests/lib/cluster.js');
const {nowMs} = require('./stats.js');

const EVERY_MS = 5;
const LIMIT_MS = 30000;

// attempt(n) resolves when a write begun now is acknowledged. Resolves to the milliseconds it took.
async function firstAcknowledged(attempt, began = nowMs()) {
  let took;
  for (let n = 0; took === undefined; n++) {
    attempt(n).then(() => { took ??= nowMs() - began; }, () => { /* another is under way */ });
    await sleep(EVERY_MS);
    if (nowMs() - began > LIMIT_MS) throw new Error('no write was acknowledged after the kill');
  }
  return took;
}

module.exports = {firstAcknowledged};
