// New functions and regular expressions all the time.
'use strict';
let total = 0;
for (let i = 0; i < Number(process.argv[2]); i++) {
	const f = new Function('a', `let s = ${i}; ` +
		`for (let k = 0; k < a; k++) s = (s * ${i % 7 + 3} + k) | 0; return s`);
	for (let k = 0; k < 30; k++)
		total = (total + f(200)) | 0;
	const r = new RegExp(`[${'abcdef'[i % 6]}-z]+${i % 10}`, 'g');
	total += 'abc1 xyz2 def3 ghi4 jkl5'.repeat(5).replace(r, '').length;
}
console.log(total);
