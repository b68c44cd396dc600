"""Print the verdict of a compare_backbones record."""
import json
import sys

record = json.load(open(sys.argv[1], encoding='utf8'))
metrics = record['metrics']
print(f"\n{'run':12}{'recognised':>12}   quality bar {metrics['bar']:.1%}")
for name, row in {**record['judged'], **{f'control: {k}': v for k, v in record['controls'].items()}}.items(): print(f"{name:28}{row['recognised']:>7.1%}")
print(f"\nVerdict: {metrics['winner'] or 'no winner'} (decided by: {metrics['branch']})")
for reason in metrics['reasons']: print(' -', reason)
print()
