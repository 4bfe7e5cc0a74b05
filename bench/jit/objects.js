// Objects, JSON, Map, strings and sorting. The argument is a number of rounds.
'use strict';

let seed = 12345;
function random(n) {
	seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
	return (seed >> 8) % n;
}

function people(n) {
	const all = [];
	for (let i = 0; i < n; i++) {
		all.push({ id: i, name: 'p' + random(1000), age: random(90),
			tags: [random(10), random(10)], where: { x: i, y: -i } });
	}
	return all;
}

function round(n) {
	const all = JSON.parse(JSON.stringify(people(n)));
	const by_name = new Map();
	for (const p of all) {
		const l = by_name.get(p.name) || [];
		l.push(p);
		by_name.set(p.name, l);
	}
	all.sort((a, b) => a.age - b.age || a.id - b.id);
	let sum = 0;
	for (const [name, l] of by_name) {
		const s = l.map((p) => p.name.toUpperCase() + p.tags.join('-'))
			.filter((t) => t.length > 4).join(',');
		for (let i = 0; i < s.length; i += 3)
			sum = (sum * 31 + s.charCodeAt(i)) | 0;
	}
	for (let i = 0; i < all.length; i++)
		sum = (sum + all[i].age * i + all[i].where.x) | 0;
	return sum;
}

let total = 0;
for (let i = 0; i < Number(process.argv[2]); i++)
	total = (total ^ round(4000)) | 0;
console.log(total);
