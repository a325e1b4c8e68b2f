// rates.js: creates and gets a second, with 1, 16, 64 and 256 requests under way.
//
// Over REST, as kube-apiserver is asked (create_N, get_N), and over gRPC, as etcd is (grpc_create_N
// beside KV/Put, grpc_get_N beside a linearizable KV/Range of one key): bodies of the same size, at the
// node that leads, as a load balancer by latency would find it; ours and the peer's in turn, the order
// changing with each round. etcd is asked without authentication, and puts to one key; we authenticate,
// authorize, validate, and make a new object each time.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('../../tests/lib/grpc.js');
const etcdLib = require('../lib/etcd.js');
const {connection, configMap, configMapsOf, must} = require('../lib/http.js');
const {h2load, shapes, grpcFrame, grpcHeaders} = require('../lib/h2load.js');
const {shardOfCollection, home} = require('../lib/shards.js');

const collection = configMapsOf('default');

// What h2load sends, in files.
function bodies(cluster, stored) {
  const file = (name, bytes) => {
    const where = path.join(cluster.dir, name);
    fs.writeFileSync(where, bytes);
    return where;
  };
  const create = configMap();
  create.metadata.namespace = 'default';
  const ref = {version: 'v1', resource: 'configmaps', namespace: 'default'};
  return {
    create: file('create.json', JSON.stringify(create)),
    grpcCreate: file('create.bin', grpcFrame(grpc.encode('choreo.v1.WriteRequest',
        {ref, object: {json: Buffer.from(JSON.stringify(create))}, form: 'FORM_JSON'}))),
    grpcGet: file('get.bin', grpcFrame(grpc.encode('choreo.v1.GetRequest',
        {ref: {...ref, name: 'one'}, form: 'FORM_JSON'}))),
    put: file('put.bin', grpcFrame(etcdLib.encode('PutRequest',
        {key: Buffer.from('/bench/one'), value: Buffer.from('x'.repeat(stored))}))),
    range: file('range.bin', grpcFrame(etcdLib.encode('RangeRequest', {key: Buffer.from('/bench/one')}))),
  };
}

// The ways to ask, by figure: how, and how many requests of a shape.
function ways(cluster, node, files, etcdMember) {
  const bearer = {authorization: `Bearer ${cluster.dev.token}`};
  const service = `${node.api}/choreo.v1.ResourceService`;
  const ours = {
    create: {count: 'writes', url: node.api + collection, body: files.create,
      headers: {...bearer, 'content-type': 'application/json'}},
    get: {count: 'reads', url: `${node.api}${collection}/one`, headers: bearer},
    grpc_create: {count: 'writes', url: `${service}/Create`, body: files.grpcCreate,
      headers: {...bearer, ...grpcHeaders}},
    grpc_get: {count: 'reads', url: `${service}/Get`, body: files.grpcGet, headers: {...bearer, ...grpcHeaders}},
  };
  const theirs = etcdMember ? {
    grpc_create: {count: 'writes', url: `${etcdMember.api}/etcdserverpb.KV/Put`, body: files.put, headers: grpcHeaders},
    grpc_get: {count: 'reads', url: `${etcdMember.api}/etcdserverpb.KV/Range`, body: files.range, headers: grpcHeaders},
  } : {};
  return {ours, theirs};
}

// How many ConfigMaps there are, as the server counts them.
async function countOurs(http) {
  const page = JSON.parse((await must(http.request('GET', `${collection}?limit=1`), 200)).body);
  return page.items.length + (page.metadata.remainingItemCount || 0);
}

module.exports = {
  name: 'rates', cluster: 'plain', peer: true, figures: ['create_', 'get_', 'grpc_create_', 'grpc_get_'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    const etcd = await bench.etcd();
    const http = connection(cluster);
    const shard = await shardOfCollection(http, collection, configMap('one'));
    const stored = (await must(http.request('GET', `${collection}/one`), 200)).body.length;
    const leader = etcd && await etcd.leader();
    const {ours, theirs} = ways(cluster, await home(cluster, shard), bodies(cluster, stored), leader);
    const revision = async () => Number((await etcd.put(leader, '/bench/one', 'x'.repeat(stored))).header.revision);
    const before = {ours: await countOurs(http), theirs: etcd ? await revision() : 0};
    let made = 0, put = 0;

    for (const shape of shapes) {
      for (const figure of Object.keys(ours).filter(f => bench.wanted(`${f}_${shape.streams}`))) {
        const rates = {ours: [], theirs: []};
        const ask = async (side, way) => {
          const count = Math.round(shape[way.count] * (bench.quick ? 0.2 : 1));
          rates[side].push(await h2load({...way, count, clients: shape.clients, streams: shape.streams}));
          if (way.count === 'writes' && side === 'ours') made += count;
          if (way.count === 'writes' && side === 'theirs') put += count;
        };
        for (let round = 0; round < bench.rounds; round++) {
          const turn = [() => ask('ours', ours[figure])];
          if (theirs[figure]) turn.push(() => ask('theirs', theirs[figure]));
          for (const go of round % 2 ? turn.reverse() : turn) await go();
        }
        bench.report.rate(`${figure}_${shape.streams}`, rates.ours, rates.theirs);
      }
    }
    // A gRPC call that failed would have answered 200: count what came of them.
    if (await countOurs(http) - before.ours !== made) throw new Error('not every create made an object');
    if (etcd && await revision() - before.theirs !== put + 1) throw new Error('not every put was executed');
    http.close();
  },
};
