// shards.js: which shard an object lives in, and which node leads that shard.
'use strict';

const {until} = require('../../tests/lib/cluster.js');
const {must} = require('./http.js');

// The shard is in every resourceVersion (store/version.h).
const shardOf = object => Number(BigInt(object.metadata.resourceVersion) & 511n);

// The shard of a namespaced object that is written for the purpose.
async function shardOfCollection(http, where, object) {
  return shardOf(JSON.parse((await must(http.request('POST', where, object), 201)).body));
}

// {shard: leader's name}, once every shard has one.
const leaders = cluster => until('leaders', async () => {
  const found = await cluster.leaders();
  return Object.values(found).every(Boolean) && found;
}, 60000);

async function home(cluster, shard) {
  return cluster.node((await leaders(cluster))[shard]);
}

module.exports = {shardOf, shardOfCollection, leaders, home};
