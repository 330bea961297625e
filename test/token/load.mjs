// Sends requests with the token that is in a file at the time, until another
// file appears; prints how many were answered with 200 and, for each other
// answer, how many.
//
//   node load.mjs URL TOKEN_FILE STOP_FILE
import { existsSync, readFileSync } from 'node:fs'

const [url, tokenFile, stopFile] = process.argv.slice(2)
const body = JSON.stringify({ action: 'Action::"view"', resource: 'Document::"plan"' })
const counts = new Map()

async function client () {
  while (!existsSync(stopFile)) {
    let answer
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`,
          'content-type': 'application/json'
        },
        body
      })
      const text = await response.text()
      answer = response.status === 200 && text === 'true' ? 'good' : `${response.status} ${text}`
    } catch (error) {
      answer = `${error} ${error.cause ?? ''}`
    }
    counts.set(answer, (counts.get(answer) ?? 0) + 1)
  }
}

await Promise.all(Array.from({ length: 4 }, client))
for (const [answer, count] of counts) console.log(count, answer)
