// rest.js: the Kubernetes door over HTTPS and nothing else: what no client library can beautify.
//
//   const api = client({url, ca, token})
//   const {status, headers, text, json} = await api.ask('POST', '/api/v1/...', {body, type, headers})
//   const stream = api.watch('/api/v1/...?watch=1', event => ...)   stream.cut(), await stream.ended
'use strict';

const https = require('node:https');

// A connection of its own for each request in flight, kept for the next.
function client({url, ca, token}) {
  const agent = new https.Agent({keepAlive: true, ca, maxSockets: 64});
  const {hostname, port} = new URL(url);
  const open = (method, path, {headers = {}, body, type} = {}, answered) => {
    const bytes = body === undefined ? undefined
        : Buffer.isBuffer(body) || typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
    const all = {...headers};
    if (all.authorization === '') delete all.authorization;  // nobody
    else if (token && all.authorization === undefined) all.authorization = `Bearer ${token}`;
    if (bytes) {
      all['content-length'] = bytes.length;
      if (type) all['content-type'] = type;
    }
    const request = https.request({hostname, port, method, path, agent, headers: all}, answered);
    request.end(bytes);
    return request;
  };
  return {
    ask: (method, path, options = {}) => new Promise((resolve, reject) => {
      const request = open(method, path, options, response => {
        const parts = [];
        response.on('data', part => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(parts);
          const text = bytes.toString();
          let json;
          try { json = JSON.parse(text); } catch { json = undefined; }
          resolve({status: response.statusCode, headers: response.headers, bytes, text, json});
        });
      });
      request.setTimeout(options.timeoutMs ?? 15000, () => request.destroy(new Error('timed out')));
      request.on('error', reject);
    }),
    // onEvent gets each line, parsed. ended: {status, error?}; error when it was no clean end.
    watch(path, onEvent, options = {}) {
      let request;
      const ended = new Promise(resolve => {
        request = open('GET', path, options, response => {
          let rest = '';
          response.setEncoding('utf8');
          response.on('data', part => {
            const lines = (rest + part).split('\n');
            rest = lines.pop();
            for (const line of lines) if (line) onEvent(JSON.parse(line));
          });
          response.on('error', error => resolve({status: response.statusCode, error}));
          response.on('end', () => resolve({status: response.statusCode, rest}));
        });
        request.on('error', error => resolve({status: 0, error}));
      });
      return {ended, cut: () => request.destroy()};
    },
    close: () => agent.destroy(),
  };
}

module.exports = {client};
