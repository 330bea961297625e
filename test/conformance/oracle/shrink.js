// Makes a case that differs smaller while it still differs in the same way.
'use strict';

// What a place of the tree may be replaced by: nothing (in a list), a part of
// itself, something simple.  Places are visited from the outside inwards.
function* candidates(tree) {
	const path = [];
	function* visit(value) {
		if (Array.isArray(value)) {
			for (let size = value.length; size >= 1; size = size >> 1) {
				for (let at = 0; at + size <= value.length; at += size) {
					yield [[...path], { drop: [at, size] }];
				}
			}
		} else if (value !== null && typeof value === 'object') {
			if (value.o !== undefined && Array.isArray(value.x)) {
				for (const x of value.x) {
					yield [[...path], { put: x }];
				}
				if (value.x.length > 0) {
					yield [[...path], { put: { o: 'bool', v: true } }];
					yield [[...path], { put: { o: 'var', n: 'principal' } }];
				}
			}
			if (value.k === 'Set') {
				yield [[...path], { put: value.of }];
			}
			if (value.k !== undefined && !['Long', 'when', 'unless'].includes(value.k)) {
				yield [[...path], { put: { k: 'Long' } }];
			}
			if (value.op !== undefined && value.op !== 'any') {
				yield [[...path], { put: { op: 'any' } }];
			}
			for (const key of ['odd', 'par', 'tags', 'applies']) {
				if (value[key]) {
					yield [[...path, key], { put: null }];
				}
			}
			if (value.opt === true) {
				yield [[...path, 'opt'], { put: false }];
			}
		} else if (typeof value === 'string' && path[path.length - 1] === 'raw') {
			for (let size = value.length >> 1; size >= 1; size >>= 1) {
				for (let at = 0; at + size <= value.length; at += size) {
					yield [[...path], { put: value.slice(0, at) + value.slice(at + size) }];
				}
			}
		}
		if (value !== null && typeof value === 'object') {
			for (const key of Object.keys(value)) {
				path.push(key);
				yield* visit(value[key]);
				path.pop();
			}
		}
	}
	yield* visit(tree);
}

function changed(tree, path, change) {
	const root = { tree: structuredClone(tree) };
	let at = root;
	let key = 'tree';
	for (const step of path) {
		at = at[key];
		key = step;
	}
	if (change.drop) {
		const [from, n] = change.drop;
		const list = at[key];
		list.splice(from, n);
		// a record's keys go with its values, a link with its template
		if (key === 'x' && at.k !== undefined) {
			at.k.splice(from, n);
		}
		if (key === 'policies') {
			root.tree.links = root.tree.links.filter((link) => link.template < from || link.template >= from + n)
				.map((link) => ({ ...link, template: link.template < from ? link.template : link.template - n }));
		}
	} else {
		at[key] = structuredClone(change.put);
	}
	return root.tree;
}

// differs(tree) says whether it still does; it may throw for trees that make no sense.
exports.shrink = (tree, differs, most) => {
	let best = tree;
	let left = most;
	for (let again = true; again && left > 0;) {
		again = false;
		for (const [path, change] of candidates(best)) {
			if (--left <= 0) {
				break;
			}
			let next;
			try {
				next = changed(best, path, change);
				if (!differs(next)) {
					continue;
				}
			} catch {
				continue;
			}
			best = next;
			again = true;
			break;
		}
	}
	return best;
};
