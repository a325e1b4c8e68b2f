// h2load.js: requests a second, by nghttp2's load generator; gRPC calls too, whose body is a file.
//
// A gRPC call that fails still answers HTTP 200: callers compare what the server holds before and
// after (how many keys, which revision) instead of believing the status.
'use strict';

const {spawn} = require('node:child_process');

// Connections, streams on each, and how many requests of a kind a round has.
const shapes = [
  {streams: 1, clients: 1, writes: 500, reads: 3000},
  {streams: 16, clients: 1, writes: 5000, reads: 15000},
  {streams: 64, clients: 4, writes: 8000, reads: 30000},
  {streams: 256, clients: 4, writes: 8000, reads: 30000},
];

// Resolves to requests a second. All must be answered 2xx.
function h2load({url, count, clients = 1, streams, headers = {}, body, urls}) {
  const args = ['-n', String(count), '-c', String(clients), '-m', String(streams / clients)];
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`);
  if (body) args.push('-d', body);
  args.push(...(urls ? ['-i', urls] : [url]));
  return new Promise((resolve, reject) => {
    const child = spawn('h2load', args, {stdio: ['ignore', 'pipe', 'pipe']});
    let output = '';
    child.stdout.on('data', data => { output += data; });
    child.stderr.on('data', data => { output += data; });
    child.once('error', reject);
    child.once('close', () => {
      const rate = /, ([\d.]+) req\/s/.exec(output);
      const codes = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output);
      if (!rate || !codes || Number(codes[1]) !== count) {
        reject(new Error(`h2load ${args.join(' ')}: ${codes ? codes[0] : ''}\n${output.slice(-2000)}`));
      } else {
        resolve(Number(rate[1]));
      }
    });
  });
}

// A message as gRPC sends it: no compression, its length, its bytes.
function grpcFrame(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
const grpcHeaders = {'content-type': 'application/grpc', te: 'trailers'};

module.exports = {h2load, shapes, grpcFrame, grpcHeaders};
