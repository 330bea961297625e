// Random numbers that are the same on every machine: xorshift32.
'use strict';

exports.randomness = (...seeds) => {
	let state = 0x9e3779b9;
	for (const seed of seeds) {
		state = Math.imul(state ^ (seed >>> 0), 2654435761) >>> 0;
		state = (state ^ (state >>> 15)) >>> 0;
	}
	state = state || 1;
	const bits = () => {
		state ^= state << 13;
		state >>>= 0;
		state ^= state >>> 17;
		state ^= state << 5;
		state >>>= 0;
		return state;
	};
	const below = (n) => bits() % n;
	const pick = (list) => list[below(list.length)];
	return {
		below,
		pick,
		chance: (percent) => below(100) < percent,
		times: (n, f) => Array.from({ length: n }, (_, i) => f(i)),
		// [[weight, value], ...]
		weighted: (list) => {
			let at = below(list.reduce((sum, [weight]) => sum + weight, 0));
			for (const [weight, value] of list) {
				if (at < weight) {
					return value;
				}
				at -= weight;
			}
			throw new Error('no weights');
		},
	};
};
