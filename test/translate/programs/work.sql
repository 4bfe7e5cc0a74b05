PRAGMA journal_mode=OFF;
CREATE TABLE a(id INTEGER PRIMARY KEY, k INTEGER, s TEXT, x REAL);
CREATE TABLE b(id INTEGER PRIMARY KEY, aid INTEGER, v INTEGER, t TEXT);
BEGIN;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<15000)
 INSERT INTO a SELECT n, (n*7919)%10007, printf('name-%06d-%d', n, (n*31)%977), n*0.5 FROM c;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<30000)
 INSERT INTO b SELECT n, (n*104729)%15000+1, n%1000, substr('abcdefghijklmnopqrstuvwxyz', n%20+1, 5)||n FROM c;
CREATE INDEX bi ON b(aid);
CREATE INDEX ak ON a(k);
COMMIT;
SELECT count(*), sum(b.v), max(a.s) FROM a JOIN b ON b.aid=a.id WHERE a.k<6000;
SELECT k%10, count(*), avg(x), group_concat(DISTINCT substr(s,12,2)) FROM a GROUP BY k%10 ORDER BY 1;
SELECT count(*) FROM a WHERE s LIKE '%9-1%' AND id IN (SELECT aid FROM b WHERE t LIKE 'fg%');
UPDATE b SET v=v+1, t=upper(t) WHERE id%3=0;
SELECT t, v FROM b ORDER BY v DESC, t LIMIT 20;
SELECT sum(length(t)), sum((SELECT a.k FROM a WHERE a.id=b.aid)) FROM b;
SELECT json_extract('{"a":[1,2,{"b":3}]}', '$.a[2].b'), date('2020-02-28', '+2 days'), round(sqrt(2)*1e6);
