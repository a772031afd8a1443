"""What readers' grades and a machine's scores say: errors, agreement, bias, drift, each with its interval. [core]"""
