// What the goldens say goes to clusters, judged by others' schemas (lib/schemas.js).
//
// A kind for which no schema can be had is in `unchecked` and told; one that is in neither is a fault.
'use strict';

const {test, before} = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const {faultsOf, missing, modelOf, objectsIn, typeOf} = require('../lib/schemas.js');

const unit = path.join(__dirname, '../unit');
module.paths.push(path.join(__dirname, '../node_modules'));

const unchecked = {
  'cilium.io/v2 CiliumNetworkPolicy': 'no package has its schema',
  'example.com/v1 Budget': 'a made-up kind',
  'example.com/v1 Sample': 'a made-up kind',
  'postgresql.cnpg.io/v1 Cluster': 'no package has its schema',
  'redis.redis.opstreelabs.in/v1beta2 RedisReplication': 'no package has its schema',
  'velero.io/v1 Schedule': 'no package has its schema',
};

// Dates are texts in the JSON that is sent.
const asSent = value => JSON.parse(JSON.stringify(value));

function* goldens() {
  const yaml = require('js-yaml');
  for (const folder of ['render', 'reconcile']) {
    const data = path.join(unit, folder, 'data');
    for (const name of fs.readdirSync(data).filter(name => name.endsWith('.out.yaml')).sort()) {
      const text = fs.readFileSync(path.join(data, name), 'utf8').replace(/@[A-Z]+@/g, 'x');  // hashes, left open
      for (const document of yaml.loadAll(text)) {
        for (const object of objectsIn(document)) yield {where: `${folder}/data/${name}`, object: asSent(object)};
      }
    }
  }
}

// ---- tests ----

const models = new Map();  // 'apps/v1 Deployment' -> the model, or undefined
let all;

before(async () => {
  if (missing) return;
  all = [...goldens()];
  for (const {object} of all) {
    if (!models.has(typeOf(object))) models.set(typeOf(object), await modelOf(object));
  }
});

test('what is wrong is found', {skip: missing}, async () => {
  const service = port => ({apiVersion: 'v1', kind: 'Service', metadata: {name: 'a', labels: {any: 'b'}},
                            spec: {selector: {any: 'c'}, ports: [port]}});
  const faults = async object => faultsOf(await modelOf(object), object);
  assert.deepEqual(await faults(service({port: 80})), []);
  assert.deepEqual(await faults(service({port: '80'})), ['Service/spec/ports/0/port: must be integer']);
  assert.deepEqual(await faults(service({port: 80, prot: 'TCP'})), ['Service.spec.ports[0].prot: unknown']);
  assert.deepEqual(await faults(service({name: 'a'})),
                   ['Service/spec/ports/0: must have required property port']);
  assert.deepEqual(await faults({...service({port: 80}), specs: {}}), ['Service.specs: unknown']);
  const route = {apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: {name: 'a'},
                 spec: {rules: [{matches: [{path: {type: 'Prefix', value: '/'}}]}]}};
  assert.deepEqual(await faults(route),
                   ['HTTPRoute/spec/rules/0/matches/0/path/type: must be equal to one of the allowed values']);
});

test('every kind is judged, or known to be not', {skip: missing}, t => {
  for (const [type, model] of models) {
    const why = unchecked[type];
    assert.ok(model !== undefined || why !== undefined, `${type}: no schema, and no word of it in this test`);
    assert.ok(model === undefined || why === undefined, `${type} has a schema now: it is unchecked no more`);
    if (model === undefined) t.diagnostic(`not checked: ${type}, ${why}`);
  }
  for (const type of Object.keys(unchecked)) {
    assert.ok(models.has(type), `${type} is in no golden: it need not be listed as unchecked`);
  }
});

test('clusters would take what the goldens hold', {skip: missing}, t => {
  const faults = [];
  let count = 0;
  for (const {where, object} of all) {
    const model = models.get(typeOf(object));
    if (model === undefined) continue;
    count++;
    faults.push(...faultsOf(model, object).map(fault => `${where}: ${object.metadata.name}: ${fault}`));
  }
  t.diagnostic(`${count} objects of ${[...models.values()].filter(Boolean).length} kinds`);
  assert.ok(count > 200, `only ${count} objects were found`);
  assert.deepEqual(faults, []);
});
