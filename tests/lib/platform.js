// platform.js: what tests of the pipeline say to a cluster of cluster.js and ask it, as its root or as
// people of their own.
//
//   const {get, apply, ...} = platform(() => cluster)    the cluster may be started later
'use strict';

const assert = require('node:assert/strict');
const {execFile} = require('node:child_process');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const {promisify} = require('node:util');
const {bin} = require('./cluster.js');
const {client, proto} = require('./grpc.js');

const object = (kind, name, spec) => ({apiVersion: 'choreo.dev/v1', kind, metadata: {name, namespace: 'default'}, spec});
const global = (kind, name, spec) => ({apiVersion: 'choreo.dev/v1', kind, metadata: {name}, spec});
const edge = (from, to, gates = {}) => ({
  sourceEnvironmentRef: {name: from}, targetEnvironmentRefs: [{name: to, ...gates}],
});
const condition = (o, type) => o.status?.conditions?.find(c => c.type === type);

// That a choreo ends with this exit code, and says so.
async function fails(promise, code, message) {
  const error = await promise.then(() => assert.fail('it succeeded'), e => e);
  assert.equal(error.code, code, error.stderr);
  assert.match(error.stderr, message);
}

function platform(cluster) {
  const plane = name => cluster().dev.planes.find(p => p.name === name);
  const get = async (...words) =>
    JSON.parse(await cluster().choreo('get', ...words, '-n', 'default', '-o', 'json'));
  const absent = (...words) => get(...words).then(() => false, error => /not found/.test(error.stderr));

  async function apply(...objects) {
    const file = path.join(cluster().dir, 'apply.json');
    fs.writeFileSync(file, JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));
    return cluster().choreo('apply', '-f', file);
  }

  // What is on a plane's cluster: all of a kind, or the first whose name begins so.
  async function on(name, kind, prefix) {
    const {stdout} = await promisify(execFile)('kubectl',
        ['--kubeconfig', plane(name).kubeconfig, 'get', kind, '-A', '-o', 'json'], {maxBuffer: 64 << 20});
    const items = JSON.parse(stdout).items;
    return prefix === undefined ? items : items.find(o => o.metadata.name.startsWith(prefix));
  }

  // What a plane's cluster does wrong: {neverReady: [images], ...}.
  async function faults(name, what) {
    const config = fs.readFileSync(plane(name).kubeconfig, 'utf8');
    await new Promise((resolve, reject) => {
      const request = https.request(new URL('/plane/faults', plane(name).url), {
        method: 'PUT', timeout: 10000,
        ca: Buffer.from(config.match(/certificate-authority-data: "?([^"\s]+)/)[1], 'base64'),
        headers: {authorization: `Bearer ${config.match(/token: "?([^"\s]+)/)[1]}`},
      }, response => (response.resume(), response.statusCode === 200
          ? resolve() : reject(new Error(String(response.statusCode)))));
      request.on('error', reject);
      request.end(JSON.stringify(what));
    });
  }

  // A user with a token of their own, and the choreo that speaks for them.
  async function person(user, ...groups) {
    const admin = client(proto.choreo.v1.ClusterService, cluster());
    const {token} = await admin.call('CreateToken', {purpose: 'USER', user, groups});
    admin.close();
    const file = path.join(cluster().dir, `${user}.yaml`);
    const own = fs.readFileSync(path.join(cluster().dir, 'choreo.yaml'), 'utf8');
    const endpoints = cluster().dev.nodes.map(n => `  - ${n.api}\n`).join(''); // any of them may die
    fs.writeFileSync(file, own.replace(/token: .*/, `token: ${token}`).replace(/ +- https:.*\n/, endpoints),
        {mode: 0o600});
    return {
      token,
      async choreo(...words) {
        const {stdout} = await promisify(execFile)(path.join(bin, 'choreo'), [...words, '--config', file]);
        return stdout;
      },
    };
  }

  return {get, absent, apply, on, faults, person};
}

module.exports = {platform, object, global, edge, condition, fails};
