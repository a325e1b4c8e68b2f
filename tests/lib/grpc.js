// grpc.js: @grpc/grpc-js clients of the project's own .proto files.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const root = path.join(__dirname, '../../proto');
const files = ['choreo/v1/services.proto', 'choreo/v1/logs.proto', 'choreo/v1/component.proto', 'grpc/health/v1/health.proto',
               'grpc/reflection/v1/reflection.proto', 'google/rpc/status.proto',
               'google/rpc/error_details.proto'];
const definition = loader.loadSync(files, {
  includeDirs: [root, '/usr/include'],
  keepCase: true, longs: String, enums: String, oneofs: true, defaults: false,
});
const proto = grpc.loadPackageDefinition(definition);

function credentials(cluster) {
  return grpc.credentials.createSsl(cluster.ca);
}

// A unary call as a promise of the response. metadata carries the administrator's token by default.
function client(Service, cluster, {node = 0, token = cluster.dev.token} = {}) {
  const address = new URL(cluster.dev.nodes[node].api).host;
  const stub = new Service(address, credentials(cluster), {'grpc.max_receive_message_length': 64 << 20});
  const metadata = () => {
    const m = new grpc.Metadata();
    if (token) m.set('authorization', `Bearer ${token}`);
    return m;
  };
  return {
    stub, metadata,
    call: (method, request, options = {}) => new Promise((resolve, reject) => {
      stub[method](request, metadata(), {deadline: Date.now() + 15000, ...options},
          (error, response) => error ? reject(error) : resolve(response));
    }),
    close: () => stub.close(),
  };
}

const json = object => ({json: Buffer.from(JSON.stringify(object))});
const parse = object => JSON.parse(Buffer.from(object.json).toString());

// Those of kinds.
const kinds = ['choreo/v1', 'openchoreo/v1alpha1', 'k8s', 'k8s/workloads'].flatMap(folder => fs.readdirSync(path.join(root, folder))
    .filter(name => name.endsWith('.proto')).map(name => `${folder}/${name}`));

// All of them as protobufjs sees them: for messages inside Any and in trailers.
const messages = new protobuf.Root();
messages.resolvePath = (origin, target) => {
  const local = path.join(root, target);
  return fs.existsSync(local) ? local : path.join('/usr/include', target);
};
messages.loadSync([...new Set([...files, ...kinds])], {keepCase: true});

const type = name => messages.lookupType(name);
const encode = (name, object) => type(name).encode(type(name).fromObject(object)).finish();
const decode = (name, bytes) => type(name).toObject(type(name).decode(bytes), {longs: String, enums: String});

// google.rpc.Status details of an error: {'google.rpc.ErrorInfo': {...}, ...}
function details(error) {
  const status = decode('google.rpc.Status', error.metadata.get('grpc-status-details-bin')[0]);
  return Object.fromEntries(status.details.map(any => {
    const name = any.type_url.split('/').pop();
    return [name, decode(name, any.value)];
  }));
}

module.exports = {grpc, proto, definition, client, json, parse, encode, decode, type, details};
