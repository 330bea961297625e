// Writes what bench/core measures: for every hierarchy a policy text, the
// entities and the requests, as files that both engines read.
//
//   node generate.js OUT-DIR [--quick]
//
// Three applications (a document drive, a code forge, a to-do list), shaped
// like those of the evaluation of "Cedar: A New Language for Expressive, Fast,
// Safe, and Analyzable Authorization" (OOPSLA 2024), with its probability of
// 0.05 that two things are connected.  Each comes in two forms of the same
// permissions: `attributes`, a handful of policies that read entities, and
// `grants`, one policy for each grant.  `many` is a drive with
// a given number of grants and entities in proportion.
//
// Everything follows from the seed: the same files on every run.  In both
// forms of a hierarchy the requests are the same, and so are the decisions.
'use strict';

const fs = require('fs');
const path = require('path');

const CONNECTED = 0.05;

// ------------------------------------------------------------ randomness

// mulberry32: 32 bits of state are plenty for a benchmark's data.
class Random {
	constructor(text) {
		let h = 2166136261;
		for (const c of text)
			h = Math.imul(h ^ c.charCodeAt(0), 16777619);
		this.state = h >>> 0;
	}

	unit() {
		this.state = (this.state + 0x6d2b79f5) >>> 0;
		let t = this.state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	}

	below(n) {
		return Math.floor(this.unit() * n);
	}

	chance(p = CONNECTED) {
		return this.unit() < p;
	}

	pick(list) {
		return list[this.below(list.length)];
	}

	// Those of n numbers that are connected.
	some(n, p = CONNECTED) {
		return range(n).filter(() => this.chance(p));
	}
}

const range = (n) => Array.from({ length: n }, (_, i) => i);

// ------------------------------------------------------------------ Cedar

const uid = (type, id) => ({ type, id });
const ref = (u) => ({ __entity: u });
const text = (u) => `${u.type}::${JSON.stringify(u.id)}`;
const entity = (u, parents = [], attrs = {}) => ({ uid: u, attrs, parents });
const action = (id) => uid('Action', id);

function permit(principal, act, resource, condition) {
	const when = condition ? `\nwhen { ${condition} }` : '';
	return `permit (${principal}, ${act}, ${resource})${when};`;
}

const isIn = (variable, u) => `${variable} in ${text(u)}`;
const isEq = (variable, u) => `${variable} == ${text(u)}`;
const oneOf = (ids) => `action in [${ids.map((id) => text(action(id))).join(', ')}]`;

function request(principal, act, resource) {
	return { principal, action: action(act), resource, context: {} };
}

// ---------------------------------------------------------- document drive
//
// Users in groups, documents in folders, folders in folders.  Who may view
// something is, in the form of attributes, a membership of the document or
// folder in a view, of which each user and each group has one.

const DRIVE_ACTIONS = ['view', 'edit', 'share', 'transfer', 'create'];

function drive(random, n, form) {
	const user = (i) => uid('User', `user${i}`);
	const group = (i) => uid('Group', `group${i}`);
	const folder = (i) => uid('Folder', `folder${i}`);
	const document = (i) => uid('Document', `document${i}`);
	const userView = (i) => uid('View', `of user${i}`);
	const groupView = (i) => uid('View', `of group${i}`);
	const entities = DRIVE_ACTIONS.map((id) => entity(action(id)));
	const policies = [
		permit('principal', isEq('action', action('view')), 'resource', 'resource.public'),
		permit('principal', oneOf(['view', 'edit', 'share']), 'resource',
			'resource in principal.documents || resource in principal.folders'),
		permit('principal', isEq('action', action('transfer')), 'resource',
			'principal.documents.contains(resource)'),
		permit('principal', isEq('action', action('create')), 'resource',
			'principal.folders.contains(resource)'),
	];
	const members = range(n).map(() => []);

	for (const i of range(n)) {
		const groups = random.some(n);
		const attrs = {
			documents: random.some(n).map((d) => ref(document(d))),
			folders: random.some(n).map((f) => ref(folder(f))),
		};

		groups.forEach((g) => members[g].push(i));
		if (form === 'attributes') {
			attrs.view = ref(userView(i));
			entities.push(entity(userView(i)));
		}
		entities.push(entity(user(i), groups.map(group), attrs));
	}
	for (const i of range(n)) {
		entities.push(entity(group(i)));
		if (form === 'attributes')
			entities.push(entity(groupView(i), members[i].map(userView)));
	}

	// Views as parents, or policies in their stead.
	function viewers(thing) {
		const users = random.some(n);
		const groups = random.some(n);

		if (form === 'attributes')
			return [...users.map(userView), ...groups.map(groupView)];
		for (const who of [...users.map(user), ...groups.map(group)])
			policies.push(permit(isIn('principal', who), isEq('action', action('view')),
				isIn('resource', thing)));
		return [];
	}

	for (const i of range(n)) {
		const parents = random.some(n).map(folder);
		const attrs = { public: random.chance(0.5) };

		entities.push(entity(document(i), [...parents, ...viewers(document(i))], attrs));
	}
	for (const i of range(n)) {
		const parents = random.some(i).map(folder);

		// a document's public is asked of folders by no request
		entities.push(entity(folder(i), [...parents, ...viewers(folder(i))]));
	}
	if (form === 'attributes')
		policies.unshift(permit('principal', isEq('action', action('view')), 'resource',
			'resource in principal.view'));

	return {
		policies,
		entities,
		ask(r) {
			const act = r.pick(DRIVE_ACTIONS);
			const i = r.below(n);

			return request(user(r.below(n)), act, act === 'create' ? folder(i) : document(i));
		},
	};
}

// -------------------------------------------------------------- code forge
//
// Users in teams and organizations; repositories of organizations.  Actions
// are in each other: who may triage may read.  A role on a repository is, in
// the form of attributes, an entity that users and teams are in.

const FORGE_ACTIONS = ['read', 'triage', 'write', 'maintain', 'admin'];
const FORGE_ROLES = ['readers', 'triagers', 'writers', 'maintainers', 'admins'];
const FORGE_OWNER_ROLES = [0, 2, 4];

function forge(random, n, form) {
	const user = (i) => uid('User', `user${i}`);
	const team = (i) => uid('Team', `team${i}`);
	const organization = (i) => uid('Organization', `organization${i}`);
	const repository = (i) => uid('Repository', `repository${i}`);
	const role = (i, r) => uid('RepositoryRole', `repository${i} ${FORGE_ROLES[r]}`);
	const ownerRole = (i, r) => uid('OrganizationRole', `organization${i} ${FORGE_ROLES[r]}`);
	// nothing else is in `read`: equality says the same as `in`
	const can = (r) => (r === 0 ? isEq : isIn)('action', action(FORGE_ACTIONS[r]));
	const entities = FORGE_ACTIONS.map((id, i) =>
		entity(action(id), FORGE_ACTIONS.slice(i + 1, i + 2).map(action)));
	const policies = [];

	if (form === 'attributes')
		FORGE_ROLES.forEach((name, r) =>
			policies.push(permit('principal', can(r), 'resource', `principal in resource.${name}`)));
	for (const r of FORGE_OWNER_ROLES)
		policies.push(permit('principal', can(r), 'resource',
			`principal in resource.owner.${FORGE_ROLES[r]}`));

	// The roles on repositories as parents, or policies in their stead.
	function roles(who) {
		const held = random.some(n).map((i) => [i, random.below(FORGE_ROLES.length)]);

		if (form === 'attributes')
			return held.map(([i, r]) => role(i, r));
		for (const [i, r] of held)
			policies.push(permit(isIn('principal', who), can(r), isEq('resource', repository(i))));
		return [];
	}

	const ownerRoles = () => random.some(n).map((i) => ownerRole(i, random.pick(FORGE_OWNER_ROLES)));

	for (const i of range(n)) {
		const attrs = {};

		for (const r of FORGE_OWNER_ROLES) {
			attrs[FORGE_ROLES[r]] = ref(ownerRole(i, r));
			entities.push(entity(ownerRole(i, r)));
		}
		entities.push(entity(organization(i), ownerRoles(), attrs));
	}
	for (const i of range(n)) {
		const attrs = { owner: ref(organization(random.below(n))) };

		if (form === 'attributes')
			FORGE_ROLES.forEach((name, r) => {
				attrs[name] = ref(role(i, r));
				entities.push(entity(role(i, r)));
			});
		entities.push(entity(repository(i), [], attrs));
	}
	for (const i of range(n)) {
		const parents = random.some(i).map(team);

		entities.push(entity(team(i), [...parents, ...roles(team(i))]));
	}
	for (const i of range(n)) {
		const parents = [
			...random.some(n).map(team),
			...random.some(n).map(organization),
			...ownerRoles(),
		];

		entities.push(entity(user(i), [...parents, ...roles(user(i))]));
	}

	return {
		policies,
		entities,
		ask: (r) => request(user(r.below(n)), r.pick(FORGE_ACTIONS), repository(r.below(n))),
	};
}

// -------------------------------------------------------------- to-do list
//
// Lists with an owner, a team of readers and a team of editors, and tasks
// that no policy reads.

const TODO_EDIT = ['UpdateList', 'CreateTask', 'UpdateTask', 'DeleteTask'];
const TODO_ON_LISTS = ['GetList', 'DeleteList', 'EditShares', ...TODO_EDIT];
const TODO_ON_APPLICATION = ['CreateList', 'GetLists'];

function todo(random, n, form) {
	const user = (i) => uid('User', `user${i}`);
	const team = (i) => uid('Team', `team${i}`);
	const list = (i) => uid('List', `list${i}`);
	const application = uid('Application', 'Todo');
	const actions = [...TODO_ON_LISTS, ...TODO_ON_APPLICATION];
	const entities = [entity(application), ...actions.map((id) => entity(action(id)))];
	const policies = [
		permit('principal', oneOf(TODO_ON_APPLICATION), isEq('resource', application)),
	];

	if (form === 'attributes')
		policies.push(
			permit('principal', 'action', 'resource',
				'resource has owner && resource.owner == principal'),
			permit('principal', isEq('action', action('GetList')), 'resource',
				'principal in resource.readers || principal in resource.editors'),
			permit('principal', oneOf(TODO_EDIT), 'resource', 'principal in resource.editors'));
	for (const i of range(n))
		entities.push(entity(user(i), [application, ...random.some(n).map(team)]));
	for (const i of range(n))
		entities.push(entity(team(i), [application, ...random.some(i).map(team)]));
	for (const i of range(n)) {
		const owner = user(random.below(n));
		const readers = team(random.below(n));
		const editors = team(random.below(n));
		const attrs = {
			name: `list${i}`,
			tasks: range(random.below(51)).map(() => ({
				name: `task ${random.below(1000000)}`,
				id: random.below(1000000),
				done: random.chance(0.5),
			})),
		};

		if (form === 'attributes')
			Object.assign(attrs, { owner: ref(owner), readers: ref(readers), editors: ref(editors) });
		else
			policies.push(
				permit(isEq('principal', owner), 'action', isEq('resource', list(i))),
				permit(isIn('principal', readers), isEq('action', action('GetList')),
					isEq('resource', list(i))),
				permit(isIn('principal', editors), oneOf(['GetList', ...TODO_EDIT]),
					isEq('resource', list(i))));
		entities.push(entity(list(i), [application], attrs));
	}

	return {
		policies,
		entities,
		ask(r) {
			const act = r.pick(actions);
			const resource = TODO_ON_APPLICATION.includes(act) ? application : list(r.below(n));

			return request(user(r.below(n)), act, resource);
		},
	};
}

// ------------------------------------------------------------ many policies
//
// n policies, each a user's or a group's grant to view a document or a folder.
// Entities grow with n, so that what concerns one request does not: a user has
// about five grants and five groups with five each, a document about two and a
// half and is in a folder with as many, which is in one of ten more.  Half of the
// requests ask for something that was granted.

function many(random, n) {
	const counts = {
		users: Math.ceil(n / 10),
		groups: Math.ceil(n / 10),
		folders: Math.ceil(n / 5),
		documents: Math.ceil(n / 5),
	};
	const user = (i) => uid('User', `user${i}`);
	const group = (i) => uid('Group', `group${i}`);
	const folder = (i) => uid('Folder', `folder${i}`);
	const document = (i) => uid('Document', `document${i}`);
	const groupsOf = range(counts.users).map(() => range(5).map(() => random.below(counts.groups)));
	const folderOf = range(counts.documents).map(() => random.below(counts.folders));
	const members = range(counts.groups).map(() => []);
	const content = range(counts.folders).map(() => []);

	groupsOf.forEach((groups, i) => groups.forEach((g) => members[g].push(i)));
	folderOf.forEach((f, i) => content[f].push(i));

	// who: [name, the users concerned]; what: [name, the documents concerned]
	function grant() {
		const g = random.below(counts.groups);
		const u = random.below(counts.users);
		const f = random.below(counts.folders);
		const d = random.below(counts.documents);

		return {
			who: random.chance(0.5) ? [user(u), [u]] : [group(g), members[g]],
			what: random.chance(0.5) ? [document(d), [d]] : [folder(f), content[f]],
		};
	}

	const grants = range(n).map(grant);
	const entities = [
		entity(action('view')),
		...groupsOf.map((groups, i) => entity(user(i), groups.map(group))),
		...range(counts.groups).map((i) => entity(group(i))),
		...range(counts.folders).map((i) => entity(folder(i), i < 10 ? [] : [folder(random.below(10))])),
		...folderOf.map((f, i) => entity(document(i), [folder(f)])),
	];

	return {
		policies: grants.map((g) => permit(isIn('principal', g.who[0]),
			isEq('action', action('view')), isIn('resource', g.what[0]))),
		entities,
		ask(r) {
			const { who, what } = r.pick(grants);
			const granted = r.chance(0.5) && who[1].length > 0 && what[1].length > 0;

			return request(user(granted ? r.pick(who[1]) : r.below(counts.users)), 'view',
				document(granted ? r.pick(what[1]) : r.below(counts.documents)));
		},
	};
}

// ------------------------------------------------------------------- files

const APPS = { drive, forge, todo };

function write(dir, name, world, seed, requests) {
	const random = new Random(`requests ${seed}`);
	const asked = range(requests).map(() => JSON.stringify(world.ask(random)));

	fs.writeFileSync(path.join(dir, `${name}.cedar`), world.policies.join('\n') + '\n');
	fs.writeFileSync(path.join(dir, `${name}.entities`), JSON.stringify(world.entities));
	fs.writeFileSync(path.join(dir, `${name}.requests`), asked.join('\n') + '\n');
}

function main() {
	const [out, option] = process.argv.slice(2);
	const quick = option === '--quick';

	if (!out || (option && !quick)) {
		console.error('usage: node generate.js OUT-DIR [--quick]');
		process.exit(2);
	}
	const hierarchies = quick ? 10 : 100;
	const requests = quick ? 100 : 500;
	const cases = [];

	for (const [app, build] of Object.entries(APPS))
		for (const form of ['attributes', 'grants'])
			for (const size of [5, 10, 20, 50]) {
				const id = `${app}-${form}-${size}`;

				fs.mkdirSync(path.join(out, id), { recursive: true });
				for (const h of range(hierarchies)) {
					// not of the form: both forms draw the same numbers
					const seed = `${app} ${size} ${h}`;

					write(path.join(out, id), `${h}`, build(new Random(seed), size, form), seed,
						requests);
				}
				cases.push({ id, app, form, size, hierarchies });
			}
	for (const size of quick ? [100, 1000, 10000] : [100, 1000, 10000, 100000]) {
		const id = `many-${size}`;

		fs.mkdirSync(path.join(out, id), { recursive: true });
		write(path.join(out, id), '0', many(new Random(id), size), id, requests);
		cases.push({ id, app: 'many', form: 'grants', size, hierarchies: 1 });
	}
	fs.writeFileSync(path.join(out, 'cases.json'), JSON.stringify(cases, null, '\t') + '\n');
}

main();
