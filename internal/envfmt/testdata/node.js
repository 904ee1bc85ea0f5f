// Answers each line of standard input, the name of a .env file, by one line of
// JSON: what Node reads from it.
const { readFileSync } = require('fs');
const { parseEnv } = require('util');
require('readline').createInterface({ input: process.stdin }).on('line', (path) => {
  console.log(JSON.stringify(parseEnv(readFileSync(path, 'utf8'))));
});
