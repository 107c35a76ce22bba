// What ``increments.py`` sends: the whole, or where the whole lies and what changed since. It goes before a component's
// own script.

async function latest(holder, { whole, from, changes }) {
  if (whole) return JSON.parse(whole)
  if (holder.from !== from) {
    const answer = await fetch(new URL(from, document.baseURI))
    if (!answer.ok) throw new Error(await answer.text())
    holder.whole = await answer.text()
    holder.from = from
  }
  return JSON.parse(changes).reduce(changed, JSON.parse(holder.whole))
}

const goesOn = (value, made) => (made.length === 1 ? made[0] : value.slice(0, made[0]).concat(made[1]))

function changed(value, [path, ...made]) {
  if (!path.length) return goesOn(value, made)
  const last = path.at(-1)
  const holder = path.slice(0, -1).reduce((inside, step) => inside[step], value)
  holder[last] = goesOn(holder[last], made)
  return value
}

