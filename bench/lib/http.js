// http.js: an HTTPS client that keeps its connections, and the objects that benches write.
'use strict';

const https = require('node:https');
const fs = require('node:fs');
const path = require('node:path');

function connection(cluster, node = 0) {
  const agent = new https.Agent({keepAlive: true, ca: cluster.ca, maxSockets: 64});
  const base = new URL(cluster.dev.nodes[node].api);
  const request = (method, where, body, type = 'application/json') => new Promise((resolve, reject) => {
    const r = https.request({agent, host: base.hostname, port: base.port, method, path: where, timeout: 30000,
      headers: {authorization: `Bearer ${cluster.dev.token}`, 'content-type': type}}, response => {
      const chunks = [];
      response.on('data', c => chunks.push(c));
      response.on('end', () => resolve({status: response.statusCode, body: Buffer.concat(chunks)}));
      response.on('error', reject);
    });
    r.on('error', reject);
    r.on('timeout', () => r.destroy(new Error('timeout')));
    r.end(body && JSON.stringify(body));
  });
  return {request, agent, base, close: () => agent.destroy()};
}

// To a simulated cluster of a `choreod dev`, as its administrator.
function planeConnection(cluster, plane = cluster.dev.planes[0]) {
  const token = fs.readFileSync(path.join(path.dirname(plane.kubeconfig), 'token'), 'utf8').trim();
  return connection({ca: cluster.ca, dev: {nodes: [{api: plane.url}], token}});
}

async function must(promise, ...statuses) {
  const r = await promise;
  if (!statuses.includes(r.status)) throw new Error(`HTTP ${r.status}: ${r.body.toString().slice(0, 300)}`);
  return r;
}

// Runs work(0) to work(count - 1), so many at a time.
async function each(count, atOnce, work) {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({length: atOnce}, worker));
}

const configMap = (name, fill = 'x') => ({apiVersion: 'v1', kind: 'ConfigMap',
  metadata: name ? {name} : {generateName: 'bench-'}, data: {text: fill.repeat(800)}});
const configMapsOf = namespace => `/api/v1/namespaces/${namespace}/configmaps`;

async function makeNamespace(http, name) {
  await must(http.request('POST', '/api/v1/namespaces', {apiVersion: 'v1', kind: 'Namespace', metadata: {name}}),
      201);
  return configMapsOf(name);
}

module.exports = {connection, planeConnection, must, each, configMap, configMapsOf, makeNamespace};
