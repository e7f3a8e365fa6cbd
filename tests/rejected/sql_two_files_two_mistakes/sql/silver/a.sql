select emial from bronze.people
