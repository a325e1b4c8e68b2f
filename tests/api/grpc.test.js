// The gRPC door, as @grpc/grpc-js sees it.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
module.paths.push(path.join(__dirname, '../node_modules'));
const {start, until} = require('../lib/cluster.js');
const {grpc, proto, client, json, parse, encode, decode, details} = require('../lib/grpc.js');

let cluster, resources, failed = false;

before(async () => {
  cluster = await start({nodes: 3});
  // The second node: what it does not lead it forwards.
  resources = client(proto.choreo.v1.ResourceService, cluster, {node: 1});
}, {timeout: 90000});

after(async () => {
  resources.close();
  const code = await cluster.stop(failed);
  assert.equal(code, 0);
});

// A test whose failure keeps the cluster's logs.
const check = (name, run) => test(name, {timeout: 30000}, async t => {
  try { await run(t); } catch (error) { failed = true; throw error; }
});

const configMap = (name, data) => ({
  apiVersion: 'v1', kind: 'ConfigMap', metadata: {name, namespace: 'default'}, data,
});
const ref = (resource, name) => ({resource, namespace: 'default', name});

async function rejects(promise, code) {
  try {
    await promise;
  } catch (error) {
    assert.equal(grpc.status[error.code], code, error.message);
    return error;
  }
  assert.fail(`expected ${code}`);
}

check('health serves, as a whole and by service', async () => {
  const health = client(proto.grpc.health.v1.Health, cluster, {token: ''});
  assert.equal((await health.call('Check', {})).status, 'SERVING');
  assert.equal((await health.call('Check', {service: 'choreo.v1.ResourceService'})).status, 'SERVING');
  await rejects(health.call('Check', {service: 'no.such.Service'}), 'NOT_FOUND');
  health.close();
});

check('reflection lists the services and describes them', async () => {
  const reflection = client(proto.grpc.reflection.v1.ServerReflection, cluster);
  const ask = request => new Promise((resolve, reject) => {
    const stream = reflection.stub.ServerReflectionInfo(reflection.metadata());
    stream.on('data', resolve);
    stream.on('error', reject);
    stream.write(request);
    stream.end();
  });
  const list = await ask({list_services: ''});
  const names = list.list_services_response.service.map(s => s.name);
  assert.ok(names.includes('choreo.v1.ResourceService'), names);
  assert.ok(names.includes('choreo.v1.ClusterService'), names);
  const file = await ask({file_containing_symbol: 'choreo.v1.ResourceService'});
  assert.ok(file.file_descriptor_response.file_descriptor_proto.length > 1);
  const nothing = await ask({file_containing_symbol: 'choreo.v1.Nothing'});
  assert.equal(nothing.error_response.error_code, grpc.status.NOT_FOUND);
  reflection.close();
});

check('kinds and their schemas are told', async () => {
  const {kinds} = await resources.call('Kinds', {});
  const component = kinds.find(k => k.plural === 'components');
  assert.ok(component.namespaced && component.status);
  assert.ok(['get', 'list', 'watch', 'patch'].every(v => component.verbs.includes(v)), component.verbs);
  assert.match(component.doc, /\w/);
  const answer = await resources.call('Schema', {ref: {resource: 'comp'}});
  assert.equal(answer.kind.kind, 'Component');
  const schema = JSON.parse(answer.json_schema.toString());
  assert.deepEqual(schema.properties.kind.enum, ['Component']);
  assert.ok(schema.definitions['dev.choreo.v1.ComponentSpec'].properties.type.description);
  await rejects(resources.call('Schema', {ref: {resource: 'gizmos'}}), 'NOT_FOUND');
  await rejects(resources.call('Schema', {}), 'INVALID_ARGUMENT');
  const nobody = client(proto.choreo.v1.ResourceService, cluster, {token: ''});
  await rejects(nobody.call('Schema', {ref: {resource: 'comp'}}), 'UNAUTHENTICATED');
  nobody.close();
});

check('an object is created, read, changed and deleted', async () => {
  const created = await resources.call('Create', {object: json(configMap('life', {a: '1'})), form: 'FORM_JSON'});
  const first = parse(created.object);
  assert.equal(first.data.a, '1');
  assert.ok(first.metadata.uid);
  assert.equal(first.metadata.resourceVersion, created.resource_version);
  await rejects(resources.call('Create', {object: json(configMap('life', {}))}), 'ALREADY_EXISTS');

  const read = parse((await resources.call('Get', {ref: ref('configmaps', 'life'), form: 'FORM_JSON'})).object);
  assert.deepEqual(read, first);

  const updated = await resources.call('Update',
      {object: json({...first, data: {a: '2'}}), form: 'FORM_JSON'});
  assert.ok(BigInt(updated.resource_version) > BigInt(created.resource_version));
  const stale = await rejects(resources.call('Update', {object: json({...first, data: {a: '3'}})}), 'ABORTED');
  assert.equal(details(stale)['google.rpc.ErrorInfo'].reason, 'Conflict');

  const patched = await resources.call('Patch', {
    ref: ref('configmaps', 'life'), patch: Buffer.from('{"data":{"b":"x"}}'), form: 'FORM_JSON'});
  assert.deepEqual(parse(patched.object).data, {a: '2', b: 'x'});

  await resources.call('Delete', {ref: ref('configmaps', 'life')});
  await rejects(resources.call('Get', {ref: ref('configmaps', 'life')}), 'NOT_FOUND');
});

check('apply merges by manager, and tells created, changed and unchanged', async () => {
  const apply = (data, manager) => resources.call('Apply', {
    object: json(configMap('shared', data)), options: {field_manager: manager}, form: 'FORM_JSON'});
  assert.equal((await apply({a: '1'}, 'one')).created, true);
  assert.equal((await apply({a: '1'}, 'one')).changed, false);
  const both = await apply({b: '2'}, 'two');
  assert.deepEqual(parse(both.object).data, {a: '1', b: '2'});
  const conflict = await rejects(apply({a: '9'}, 'two'), 'ABORTED');
  assert.match(conflict.message, /conflict with "one"/);
});

check('typed messages carry kinds of the contract', async () => {
  const name = 'choreo.v1.Component';
  const value = encode(name, {metadata: {name: 'typed', namespace: 'default'},
                              spec: {type: 'service', image: 'nginx:1.27'}});
  const created = await resources.call('Create',
      {object: {typed: {type_url: `type.googleapis.com/${name}`, value}}, form: 'FORM_TYPED'});
  const back = decode(name, created.object.typed.value);
  assert.equal(back.metadata.name, 'typed');
  assert.equal(back.spec.image, 'nginx:1.27');
  assert.ok(back.metadata.uid);
  await resources.call('Delete', {ref: ref('components', 'typed')});
});

check('every wrong field is named', async () => {
  const error = await rejects(resources.call('Create', {object: json({
    apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name: 'wrong', namespace: 'default'},
    spec: {type: 'service', replicas: 'many', endpoints: [{name: 'a', port: 'x'}]},
  })}), 'INVALID_ARGUMENT');
  const fields = details(error)['google.rpc.BadRequest'].field_violations.map(v => v.field);
  assert.ok(fields.includes('spec.replicas'), fields);
  assert.ok(fields.some(f => /^spec\.endpoints\[0\]\.port$/.test(f)), fields);
  await rejects(resources.call('Get', {ref: ref('components', 'wrong')}), 'NOT_FOUND');
});

check('lists page at one version', async () => {
  for (let i = 0; i < 7; i++) {
    await resources.call('Create', {object: json(configMap(`page-${i}`, {}))});
  }
  const names = [];
  let version, next = '';
  do {
    const page = await resources.call('List', {ref: {resource: 'configmaps', namespace: 'default'},
      limit: 3, continue: next, form: 'FORM_JSON'});
    version ??= page.resource_version;
    assert.equal(page.resource_version, version);
    assert.ok(page.objects.length <= 3);
    names.push(...page.objects.map(o => parse(o).metadata.name));
    if (!next) await resources.call('Create', {object: json(configMap('page-late', {}))});
    next = page.continue;
  } while (next);
  assert.deepEqual(names.filter(n => n.startsWith('page-')), [0, 1, 2, 3, 4, 5, 6].map(i => `page-${i}`));
});

check('a watch gives what is there, then every change in order', async () => {
  const events = [];
  const stream = resources.stub.Watch({ref: {resource: 'configmaps', namespace: 'default'},
    field_selector: 'metadata.name=watched', form: 'FORM_JSON'}, resources.metadata());
  stream.on('data', e => events.push(e));
  stream.on('error', () => {});
  await resources.call('Create', {object: json(configMap('watched', {n: '0'}))});
  for (let i = 1; i <= 5; i++) {
    await resources.call('Patch', {ref: ref('configmaps', 'watched'),
      patch: Buffer.from(JSON.stringify({data: {n: String(i)}}))});
  }
  await resources.call('Delete', {ref: ref('configmaps', 'watched')});
  await until('the deletion', () => events.some(e => e.type === 'DELETED'));
  stream.cancel();
  const seen = events.filter(e => e.object).map(e => [e.type, parse(e.object).data.n]);
  assert.equal(seen.at(-1)[0], 'DELETED');
  assert.deepEqual(seen.slice(0, -1).map(e => e[1]), ['0', '1', '2', '3', '4', '5']);
  const versions = events.filter(e => e.object).map(e => BigInt(e.resource_version));
  assert.ok(versions.every((v, i) => i === 0 || v > versions[i - 1]));
});

check('a request id makes a retry harmless', async () => {
  const options = {request_id: Buffer.from('0123456789abcdef-1'), issued_ms: String(Date.now())};
  const request = {object: json(configMap('once', {})), options, form: 'FORM_JSON'};
  const first = await resources.call('Create', request);
  const again = await resources.call('Create', request);
  assert.equal(again.resource_version, first.resource_version);
});

check('nobody without credentials, viewers may only look', async () => {
  const nobody = client(proto.choreo.v1.ResourceService, cluster, {token: ''});
  await rejects(nobody.call('Get', {ref: ref('configmaps', 'once')}), 'UNAUTHENTICATED');
  const forged = client(proto.choreo.v1.ResourceService, cluster, {token: 'eyJhbGciOiJub25lIn0.e30.'});
  await rejects(forged.call('Get', {ref: ref('configmaps', 'once')}), 'UNAUTHENTICATED');

  const admin = client(proto.choreo.v1.ClusterService, cluster);
  const {token} = await admin.call('CreateToken', {purpose: 'USER', user: 'eve', groups: ['choreo:viewers']});
  const viewer = client(proto.choreo.v1.ResourceService, cluster, {token});
  assert.ok(await viewer.call('Get', {ref: ref('configmaps', 'once')}));
  await rejects(viewer.call('Get', {ref: ref('secrets', 'x')}), 'PERMISSION_DENIED');
  await rejects(viewer.call('Create', {object: json(configMap('no', {}))}), 'PERMISSION_DENIED');
  const viewerCluster = client(proto.choreo.v1.ClusterService, cluster, {token});
  assert.equal((await viewerCluster.call('Members', {})).members.length, 3);
  await rejects(viewerCluster.call('CreateToken', {}), 'PERMISSION_DENIED');
  for (const c of [nobody, forged, admin, viewer, viewerCluster]) c.close();
});

check('a bad call is refused as gRPC says', async () => {
  const bad = new grpc.Client(new URL(cluster.dev.nodes[0].api).host, grpc.credentials.createSsl(cluster.ca));
  const call = (method, bytes) => new Promise((resolve, reject) => bad.makeUnaryRequest(method, x => x, x => x,
      bytes, resources.metadata(), {deadline: Date.now() + 5000}, (e, r) => e ? reject(e) : resolve(r)));
  await rejects(call('/choreo.v1.ResourceService/Nothing', Buffer.alloc(0)), 'UNIMPLEMENTED');
  await rejects(call('/choreo.v1.ResourceService/Get', Buffer.from([0xff, 0xff, 0xff])), 'INVALID_ARGUMENT');
  await rejects(call('/choreo.v1.ResourceService/Create', Buffer.alloc(5 << 20)), 'RESOURCE_EXHAUSTED');
  bad.close();
});

check('a node that stops sends its watches elsewhere', async () => {
  const there = client(proto.choreo.v1.ResourceService, cluster, {node: 2});
  const stream = there.stub.Watch({ref: {resource: 'configmaps'}}, there.metadata());
  const synced = new Promise((resolve, reject) => {
    stream.on('data', event => { if (event.type === 'SYNCED') resolve(); });
    stream.on('error', reject);
  });
  await synced;
  const ended = new Promise(resolve => stream.on('error', resolve));
  await cluster.kill('node-3', 'SIGTERM');
  const error = await ended;
  assert.equal(error.code, grpc.status.UNAVAILABLE);
  assert.match(error.details, /this node is stopping/);
  there.close();
  await until('node-3 has ended and begins again', () => cluster.restart('node-3'));
});

check('a leader is handed over on request', async () => {
  const admin = client(proto.choreo.v1.ClusterService, cluster);
  const before = (await admin.call('Status', {})).shards[1].leader;
  const to = cluster.dev.nodes.map(n => n.name).find(n => n !== before);
  const {leader} = await admin.call('TransferLeader', {shard: 1, to});
  await until('the new leader', async () => (await admin.call('Status', {})).shards[1].leader === to);
  assert.ok(leader === to || leader === '');
  admin.close();
});

check('a leader goes to the region that its shard prefers', async () => {
  const admin = client(proto.choreo.v1.ClusterService, cluster);
  const shard = async () => JSON.parse(await cluster.choreo('cluster', 'status', '-o', 'json')).shards[2];
  const leader = (await shard()).leader;
  const wanted = cluster.dev.nodes.find(n => n.name !== leader);
  assert.match(await cluster.choreo('cluster', 'prefer', '2', wanted.region), /shard 2 prefers a leader in/);
  await until('the leader there', async () => {
    const s = await shard();
    return s.prefers === wanted.region && s.leader === wanted.name;
  }, 30000);
  assert.match(await cluster.choreo('cluster', 'status'), new RegExp(`^2 +${wanted.name} +${wanted.region} `, 'm'));
  await rejects(admin.call('PreferRegion', {shard: 2, region: 'atlantis'}), 'NOT_FOUND');
  await rejects(admin.call('PreferRegion', {shard: 99, region: wanted.region}), 'INVALID_ARGUMENT');
  await rejects(admin.call('PreferRegion', {region: wanted.region}), 'INVALID_ARGUMENT');
  await cluster.choreo('cluster', 'prefer', '2', '-');
  await until('no preference', async () => (await shard()).prefers === '');
  admin.close();
});
