/* `tracestub report`: recorded traces turned into other files. */
#ifndef TRACE_REPORT_H
#define TRACE_REPORT_H

/* argv is what follows `report`. Returns the exit status for a shell. */
int report_main(char **argv);

#endif
