// What is received is only ever put into text nodes and attributes, never read as HTML.

const SVG = "http://www.w3.org/2000/svg";
const byId = id => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

const make = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Change the text of *node* only where it is another one, so that nothing is announced or selected anew. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Ask the control API; throw what it says where it refuses. */
async function ask(method, path, body) {
  const options = {method, headers: {}};
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw {message: "The providers do not answer.", found: "no connection", wanted: "a running `routeproof providers`"};
  }
  const tree = await response.json();
  if (!response.ok) throw tree.error;
  return tree;
}
